"""How a checkpoint alone builds its module again, and random numbers that a resume finds again.

It imports no other part.
"""

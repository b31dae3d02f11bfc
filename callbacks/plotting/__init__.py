"""How the figures of a run are drawn.

Callbacks and artifacts import it; it imports no other part of this room.
"""

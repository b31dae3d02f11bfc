"""What probes and monitors are made of: when they evaluate, of what, and how they score.

Callbacks import it; it imports no other part of this room.
"""

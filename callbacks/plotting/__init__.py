"""How the figures of a run are drawn."""

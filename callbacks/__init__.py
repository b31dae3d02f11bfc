"""MetAug: callbacks."""

"""MetAug: lightning_modules."""

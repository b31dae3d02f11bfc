"""MetAug: configs."""

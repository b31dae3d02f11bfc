"""MetAug: datamodules."""

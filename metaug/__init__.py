"""MetAug: contrastive learning via meta feature augmentation, for PyTorch Lightning."""

__version__ = "0.1.0"

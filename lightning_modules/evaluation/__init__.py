"""The one way to evaluate: features of data sets, pretrained encoders, heads on features.

The LightningModules and the callbacks import it; it imports networks, distributed and checkpoints.
"""

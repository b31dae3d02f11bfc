"""The one way to evaluate: features of data sets, pretrained encoders, heads on their features.

Used by the LightningModules and by the callbacks.
"""

"""Random changes of a batch of images, each by its own seed: geometry, color, texture.

Knows nothing but tensors; `views` and `sources` may import it, and data modules for their types.
"""

"""Random changes of a batch of images: geometry, color, texture, each image by its own seed."""

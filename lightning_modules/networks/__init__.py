"""What is trained: encoders, their backbones, and the augmentation generators."""

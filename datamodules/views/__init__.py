"""What turns one image into several random ones."""

"""What turns one image into several random ones, and into the one that is evaluated.

Imports `transforms` alone; `loading` and the data modules may import it.
"""

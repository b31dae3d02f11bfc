"""Where raw images come from (memory, files, folders, other libraries) and how they are split.

Imports `transforms` alone, to resize what is held in memory; `loading` and the data modules may
import it.
"""

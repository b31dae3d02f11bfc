"""Where raw images come from: memory, files, folders, data sets of other libraries."""

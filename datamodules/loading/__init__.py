"""From sources and views to loaders: batches, data sets, samplers, processes, resuming.

Imports `sources`, `views` and `transforms`; only the data modules may import it.
"""

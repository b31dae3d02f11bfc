"""From sources and views to loaders: batches, data sets, samplers, resuming."""

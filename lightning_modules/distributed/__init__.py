"""One process or many: collectives, sums of gradients, BatchNorm over the global batch.

It imports no other part.
"""

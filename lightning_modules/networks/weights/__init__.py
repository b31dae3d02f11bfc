"""Weights to start from: what a file holds, under which names, and how it fits a backbone."""

"""What probes and monitors are made of: when they evaluate, what they look at, how they score."""

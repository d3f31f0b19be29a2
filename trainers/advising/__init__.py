"""What to try first: method, rank, rate, epochs and batch, each with its reason and where that comes from."""

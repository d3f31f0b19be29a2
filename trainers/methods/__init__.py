"""Which weights are trained, and in which form."""

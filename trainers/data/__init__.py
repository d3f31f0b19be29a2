"""Files of conversations -> rows of tokens -> batches, in an order that follows from the seed."""

"""Candidates that are made of the weights of a run: their mean over its steps, and points on the way from the base."""

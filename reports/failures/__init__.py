"""What lost items have in common: where they lie and what they say."""

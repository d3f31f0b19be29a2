"""Speed, for reading: seconds taken apart, spread, loads, and tokens."""

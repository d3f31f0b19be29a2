"""How a score went over many runs: where it shifted, and what it loses week by week."""

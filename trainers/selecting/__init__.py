"""Which step of a run is handed over, and when looking for a better one ends."""

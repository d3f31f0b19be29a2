"""A store of many runs in a browser: read only, on this machine only."""

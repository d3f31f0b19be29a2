"""How candidates were trained: curves, what was watched, and checkpoints."""

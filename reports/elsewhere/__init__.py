"""What was measured and concluded, for other tools: tables, a second viewer, trackers of experiments, notebooks."""

"""What people read: the report, its summaries, and the blind review."""

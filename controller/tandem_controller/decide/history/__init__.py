"""Release records: what they say, when they are written, and whether they can be trusted."""

"""A study: its file, and its run."""

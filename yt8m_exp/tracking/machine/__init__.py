"""The machine while a run lasts: what it samples, and what the run costs."""

"""The pages of runs: what is logged for them, and read for a comparison."""

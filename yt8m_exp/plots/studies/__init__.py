"""A study on a page: its trials, their figures, its best recipe."""

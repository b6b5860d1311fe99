"""Models of frame-level features, one a file."""

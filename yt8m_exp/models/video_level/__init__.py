"""Models of video-level features, one a file."""

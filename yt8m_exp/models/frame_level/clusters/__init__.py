"""Models that assign frames to clusters, one file each, and what they share."""

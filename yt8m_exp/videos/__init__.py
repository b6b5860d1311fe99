"""From video files to the features of the release."""

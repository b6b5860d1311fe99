"""The published networks, and their files."""

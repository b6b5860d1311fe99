"""Checkpoints of the starter code, read into our models."""

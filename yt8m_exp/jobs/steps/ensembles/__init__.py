"""The steps that make an ensemble."""

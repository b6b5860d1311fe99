"""Recurrent layers, and what a stack of them returns of a video."""

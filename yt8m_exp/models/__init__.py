"""Keras models over named features, one file each."""

"""Writes a model as a SavedModel, for TensorFlow Serving, batch jobs or MediaPipe."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("export")

"""Writes the curves of runs: a CSV, or event files for TensorBoard."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("curves", tensorflow=False)

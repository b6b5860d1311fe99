"""Tunes a model: trials of a study in parallel slots, until the study's total is reached."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("sweep", tensorflow=False)

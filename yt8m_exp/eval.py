"""Scores a model on labelled shards, once or at every checkpoint of a run in progress."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("eval")

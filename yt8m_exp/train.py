"""Trains a model on shards, and logs what it did, how good it is, and the model itself."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("train")

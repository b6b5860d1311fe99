"""Predicts shards with a model, into the competition's file of videos, or that of segments."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("inference")

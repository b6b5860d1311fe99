"""Predicts shards with a model, and writes the competition's file of videos or of segments."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("inference")

"""Checks shards: bad records, repeated and leaked videos, fakes, likeness to the release."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("check", tensorflow=False)

"""Turns video files into shards: frames, sound and labels in the form of the release."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("extract")

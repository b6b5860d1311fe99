"""Makes one model of several: their mean, in one file."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("ensemble")

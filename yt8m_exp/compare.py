"""Compares runs on one page: configuration, metrics, cost, curves, and two models by video."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("compare", tensorflow=False)

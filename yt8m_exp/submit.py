"""Submits a verb as a job of a cloud, or prints the request."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("submit", tensorflow=False)

"""Prints the decisions on a registered model: who was champion when, and on what evidence."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("history", tensorflow=False)

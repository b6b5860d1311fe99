"""Says which parts of a team's setup can be reached, with which rights, and what to do."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("doctor", tensorflow=False)

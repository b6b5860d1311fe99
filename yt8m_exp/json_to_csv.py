"""Turns the result of a batch prediction job into the competition's predictions file."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("json_to_csv", tensorflow=False)

"""Makes the competition's predictions file of what a batch prediction job wrote."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("json_to_csv", tensorflow=False)

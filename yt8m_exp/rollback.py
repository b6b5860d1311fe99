"""Makes the previous champion of a registered model champion again, with a record of it."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("rollback", tensorflow=False)

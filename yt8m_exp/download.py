"""Downloads a partition of the dataset, checked, into a folder or a bucket."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("download", tensorflow=False)

"""Labels video files with a model, and shows the moments that speak for each label."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("tag")

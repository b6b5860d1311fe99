"""Makes a challenger the champion of a registered model, if it is shown to be better."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("promote")

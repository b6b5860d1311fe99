"""Turns a checkpoint of Google's starter code into a model, and logs it as training does."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("import_checkpoint")

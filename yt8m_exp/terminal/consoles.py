"""Where verbs print for people: standard error, a terminal or a file."""

import sys

from rich.console import Console

FILE_COLUMNS = 120
"""Columns of a table in a file or a pipe: an id or a URI fits in one line."""


def on_stderr() -> Console:
    """Returns a console on standard error, as wide as the terminal."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else FILE_COLUMNS)

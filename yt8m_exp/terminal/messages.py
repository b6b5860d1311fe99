"""Log messages beside what is live on the terminal: a table or a progress bar."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def above() -> Iterator[None]:
    """Prints log messages above a live display, which has replaced `sys.stderr`, in the block.

    A handler keeps the stream that it began with, and would write into the display.
    """
    handlers = [h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler]
    before = [(handler, handler.setStream(sys.stderr)) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in before:
            if stream is not None:
                handler.setStream(stream)

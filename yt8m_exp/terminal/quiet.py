"""Keeps TensorFlow's start-up short, and its chatter off the terminal, and nothing else."""

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

CHATTER = (
    b"before absl::InitializeLog() is called",
    b"Could not find cuda drivers",
    b"failed call to cuInit",
    b"cuda_platform.cc",
    b"oneDNN custom operations are on",
)
UNUSED = ("sklearn", "matplotlib")  # a fifth of the start, for wrappers and galleries of Keras


def load_tensorflow() -> None:
    """Imports TensorFlow and Keras, which takes seconds, for all that import them later."""
    with startup():
        importlib.import_module("keras")
        importlib.import_module("tensorflow")


@contextmanager
def startup() -> Iterator[None]:
    """Holds back what is written to standard error, then writes it without TensorFlow's messages.

    TensorFlow 2.21 writes them from C++ before it reads any of its settings, so the file descriptor
    is redirected (tensorflow/tensorflow#100442, open). Meanwhile libraries that Keras loads where
    they are installed, and that nobody uses through Keras here, cannot be imported.
    """
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None refuses an import
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            for name in hidden:
                del sys.modules[name]
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            for line in file:
                if not any(words in line for words in CHATTER):
                    os.write(2, line)

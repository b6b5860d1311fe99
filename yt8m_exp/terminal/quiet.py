"""Keeps TensorFlow's start-up chatter off the terminal, and nothing else."""

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
)


@contextmanager
def startup() -> Iterator[None]:
    """Holds back what is written to standard error, then writes it without the chatter.

    It is written in C++ before any setting of TensorFlow's is read, so that only the file
    descriptor itself can be asked.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            for line in file:
                if not any(words in line for words in CHATTER):
                    os.write(2, line)

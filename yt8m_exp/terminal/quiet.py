"""Makes TensorFlow start faster, and keeps its start-up messages off the terminal."""

import gc
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
    b"cpu_feature_guard.cc",
    b"rebuild TensorFlow with the appropriate compiler flags",
)
UNUSED = ("sklearn", "matplotlib")  # a fifth of the start, for unused parts of Keras


def load_tensorflow() -> None:
    """Imports TensorFlow and Keras, which takes seconds; later imports take no time."""
    with startup():
        importlib.import_module("keras")
        importlib.import_module("tensorflow")


@contextmanager
def startup() -> Iterator[None]:
    """Makes imports of TensorFlow and Keras in the block quiet and faster.

    The libraries in `UNUSED` cannot be imported meanwhile: Keras loads them if they are installed,
    but they are not used through Keras here.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None refuses an import
    try:
        with without_chatter(), uncollected():
            yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def uncollected() -> Iterator[None]:
    """Switches the garbage collector off in the block, and exempts what was made there for good.

    Imports make hundreds of thousands of objects, which all stay. Python would look through them
    again and again.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()


@contextmanager
def without_chatter() -> Iterator[None]:
    """Holds back what is written to standard error, then writes it without TensorFlow's messages.

    TensorFlow 2.21 writes them from C++ before it reads any of its settings, and when it first
    looks for a GPU, so the file descriptor is redirected (tensorflow/tensorflow#100442, open).
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

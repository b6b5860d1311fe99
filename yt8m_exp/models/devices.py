"""The device that a model runs on, for layers whose fastest computation depends on it."""

from contextlib import AbstractContextManager, nullcontext

import keras


def has_gpu() -> bool:
    """Returns whether this process sees a GPU, whatever Keras' backend."""
    return any(name.lower().startswith("gpu") for name in keras.distribution.list_devices())


def of_bytes() -> AbstractContextManager[object]:
    """Returns the scope in which rows of bytes are gathered: the CPU, in TensorFlow with a GPU.

    TensorFlow gathers bytes on a CPU only. What leads to it belongs into the scope, too: otherwise
    a GPU gets all bytes of a batch, and they come back for it.
    """
    if keras.backend.backend() == "tensorflow" and has_gpu():
        return keras.device("CPU:0")
    return nullcontext()

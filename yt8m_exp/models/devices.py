"""The device that a model runs on, for layers whose fastest computation depends on it."""

import keras


def has_gpu() -> bool:
    """Returns whether this process sees a GPU, whatever Keras' backend."""
    return any(name.lower().startswith("gpu") for name in keras.distribution.list_devices())

"""VGGish, whose embedding is what YouTube-8M describes sound by.

Source: S. Hershey et al., "CNN Architectures for Large-Scale Audio Classification", 2017,
https://arxiv.org/abs/1609.09430; vggish_slim.py of
https://github.com/tensorflow/models/tree/master/research/audioset/vggish.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from yt8m_exp import spec
from yt8m_exp.spec import InputError
from yt8m_exp.videos.networks import mel

GROUPS = {"conv1": (64,), "conv2": (128,), "conv3": (256, 256), "conv4": (512, 512)}
"""Convolutions by the names of the checkpoint; maxima are taken behind each group."""
UNITS = {"fc1": (4096, 4096), "fc2": (spec.AUDIO,)}


def build() -> keras.Model:
    """Returns the network: log-mel patches float32 (B, 96, 64) to float32 (B, 128).

    The embedding has no activation, as the released features were computed before it. Each layer
    has the name of its variables in the checkpoint, a dot for each slash.
    """
    patches = keras.Input((mel.PATCH, mel.BANDS))
    x = layers.Reshape((mel.PATCH, mel.BANDS, 1))(patches)
    for group, sizes in GROUPS.items():
        for name, units in zip(_names(group, len(sizes)), sizes, strict=True):
            x = layers.Conv2D(units, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, 2, padding="same")(x)
    x = layers.Flatten()(x)
    for group, sizes in UNITS.items():
        activation = None if group == "fc2" else "relu"
        for name, units in zip(_names(group, len(sizes)), sizes, strict=True):
            x = layers.Dense(units, activation, name=name)(x)
    return keras.Model(patches, x, name="vggish")


def load(model: keras.Model, variable: Callable[[str], np.ndarray | None]) -> None:
    """Gives the network the weights of the published checkpoint.

    Args:
        model: as `build` returns it.
        variable: returns a variable of the checkpoint by name, None where there is none.

    Raises:
        InputError: the checkpoint lacks a variable, or one has another shape.
    """
    for layer in model.layers:
        if layer.weights:
            name = f"vggish/{layer.name.replace('.', '/')}"
            found = [variable(f"{name}/{part}") for part in ("weights", "biases")]
            shapes = [tuple(weight.shape) for weight in layer.weights]
            if [None if value is None else value.shape for value in found] != shapes:
                raise InputError(
                    f"The checkpoint of VGGish must hold `{name}/weights` and `{name}/biases` of "
                    f"the shapes {shapes}. Fetch vggish_model.ckpt again: yt8m download "
                    "partition=extractor"
                )
            layer.set_weights(found)


def _names(group: str, count: int) -> list[str]:
    """Returns the names of a group's layers; TF-Slim numbers the layers of a group of several."""
    return [group] if count == 1 else [f"{group}.{group}_{n}" for n in range(1, count + 1)]

"""Inception-v3 as published on 2015-12-05, by whose last pooling YouTube-8M describes frames.

It differs from `keras.applications.InceptionV3` in its weights, in the scale of its input, and in
the last block, where it takes maxima instead of means.
Source: C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2015,
https://arxiv.org/abs/1512.00567, and the graph `classify_image_graph_def.pb` in
http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

from yt8m_exp.spec import InputError
from yt8m_exp.videos.networks import resizing

OUTPUTS = 2048
CENTER = 128
"""Levels of colour are moved and scaled to [-1, 1)."""


def build() -> keras.Model:
    """Returns the network: pictures float32 (B, 299, 299, 3) in [0, 255] to float32 (B, 2048).

    Each convolution is a layer with the name of the published graph, a dot for each slash. It holds
    the batch normalisation behind it, too, which at inference is a scale and a bias.
    """
    pictures = keras.Input((resizing.SIZE, resizing.SIZE, 3))
    x = layers.Rescaling(1 / CENTER, offset=-1)(pictures)
    x = _conv(x, "conv", 32, 3, strides=2, padding="valid")
    x = _conv(x, "conv_1", 32, 3, padding="valid")
    x = _conv(x, "conv_2", 64, 3)
    x = layers.MaxPooling2D(3, 2)(x)
    x = _conv(x, "conv_3", 80, 1, padding="valid")
    x = _conv(x, "conv_4", 192, 3, padding="valid")
    x = layers.MaxPooling2D(3, 2)(x)
    for name, pooled in (("mixed", 32), ("mixed_1", 64), ("mixed_2", 64)):
        x = _block_35(x, name, pooled)
    x = _reduced_17(x, "mixed_3")
    for name, units in (("mixed_4", 128), ("mixed_5", 160), ("mixed_6", 160), ("mixed_7", 192)):
        x = _block_17(x, name, units)
    x = _reduced_8(x, "mixed_8")
    x = _block_8(x, "mixed_9", layers.AveragePooling2D)
    x = _block_8(x, "mixed_10", layers.MaxPooling2D)
    return keras.Model(pictures, layers.GlobalAveragePooling2D()(x), name="inception")


def load(model: keras.Model, constants: Mapping[str, np.ndarray]) -> None:
    """Gives the network the weights of the published graph.

    Args:
        model: as `build` returns it.
        constants: of the graph, by name; see `graph.constants`.

    Raises:
        InputError: the graph lacks a constant, or one has another shape.
    """
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            layer.set_weights(_folded(layer, constants))


def _folded(layer: layers.Conv2D, constants: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Returns the kernel and the bias of a convolution with the normalisation behind it.

    The graph has an epsilon of 0.001 and no scale: its `gamma` is not used.
    """
    name = layer.name.replace(".", "/")
    shape, units = tuple(layer.kernel.shape), (layer.filters,)
    kernel = _constant(constants, f"{name}/conv2d_params", shape)
    beta, mean, variance = (
        _constant(constants, f"{name}/batchnorm/{part}", units)
        for part in ("beta", "moving_mean", "moving_variance")
    )
    scale = 1 / np.sqrt(variance.astype(np.float64) + 1e-3)
    return [kernel * scale, beta - mean * scale]


def _constant(constants: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    found = constants.get(name)
    if found is None or found.shape != shape:
        got = "is missing" if found is None else f"has the shape {found.shape}"
        raise InputError(
            f"The graph of Inception must hold `{name}` of the shape {shape}, but it {got}. Fetch "
            "inception-2015-12-05.tgz again: yt8m download partition=extractor"
        )
    return found


def _conv(x: Any, name: str, units: int, size: Any, strides: int = 1, padding: str = "same") -> Any:
    return layers.Conv2D(
        units, size, strides, padding, activation="relu", name=name.replace("/", ".")
    )(x)


def _tower(x: Any, name: str, *convolutions: tuple[int, Any]) -> Any:
    """Returns a chain of convolutions: `conv`, `conv_1`, `conv_2` ..."""
    for number, (units, size) in enumerate(convolutions):
        x = _conv(x, f"{name}/conv{f'_{number}' * (number > 0)}", units, size)
    return x


def _pooled(x: Any, name: str, units: int, pooling: Any = layers.AveragePooling2D) -> Any:
    return _tower(pooling(3, 1, padding="same")(x), f"{name}/tower_2", (units, 1))


def _block_35(x: Any, name: str, pooled: int) -> Any:
    return layers.Concatenate()(
        [
            _tower(x, name, (64, 1)),
            _tower(x, f"{name}/tower", (48, 1), (64, 5)),
            _tower(x, f"{name}/tower_1", (64, 1), (96, 3), (96, 3)),
            _pooled(x, name, pooled),
        ]
    )


def _reduced_17(x: Any, name: str) -> Any:
    tower = _tower(x, f"{name}/tower", (64, 1), (96, 3))
    return layers.Concatenate()(
        [
            _conv(x, f"{name}/conv", 384, 3, strides=2, padding="valid"),
            _conv(tower, f"{name}/tower/conv_2", 96, 3, strides=2, padding="valid"),
            layers.MaxPooling2D(3, 2)(x),
        ]
    )


def _block_17(x: Any, name: str, n: int) -> Any:
    row, column = (1, 7), (7, 1)
    return layers.Concatenate()(
        [
            _tower(x, name, (192, 1)),
            _tower(x, f"{name}/tower", (n, 1), (n, row), (192, column)),
            _tower(x, f"{name}/tower_1", (n, 1), (n, column), (n, row), (n, column), (192, row)),
            _pooled(x, name, 192),
        ]
    )


def _reduced_8(x: Any, name: str) -> Any:
    first = _tower(x, f"{name}/tower", (192, 1))
    second = _tower(x, f"{name}/tower_1", (192, 1), (192, (1, 7)), (192, (7, 1)))
    return layers.Concatenate()(
        [
            _conv(first, f"{name}/tower/conv_1", 320, 3, strides=2, padding="valid"),
            _conv(second, f"{name}/tower_1/conv_3", 192, 3, strides=2, padding="valid"),
            layers.MaxPooling2D(3, 2)(x),
        ]
    )


def _block_8(x: Any, name: str, pooling: Any) -> Any:
    return layers.Concatenate()(
        [
            _tower(x, name, (320, 1)),
            *_split(_tower(x, f"{name}/tower", (384, 1)), f"{name}/tower/mixed"),
            *_split(_tower(x, f"{name}/tower_1", (448, 1), (384, 3)), f"{name}/tower_1/mixed"),
            _pooled(x, name, 192, pooling),
        ]
    )


def _split(x: Any, name: str) -> Iterator[Any]:
    yield _conv(x, f"{name}/conv", 384, (1, 3))
    yield _conv(x, f"{name}/conv_1", 384, (3, 1))

"""The bare matrix products that a model contains: the limit of the time that a step takes."""

import math
from dataclasses import dataclass

import keras

from yt8m_exp.config import compose, groups
from yt8m_exp.models.frame_level.clusters.netfv import FisherVector
from yt8m_exp.models.frame_level.clusters.netvlad import VLAD
from yt8m_exp.models.frame_level.clusters.nextvlad import NeXtVLAD

OF_VIDEOS = ("squeeze_kernel", "excite_kernel")
"""Kernels of layers that take frames, which multiply what was pooled."""


@dataclass(frozen=True)
class Product:
    """A kernel (inputs, outputs) that `rows` rows are multiplied by, `steps` times in a row."""

    rows: int
    inputs: int
    outputs: int
    steps: int = 1
    goes_back: bool = True

    @property
    def operations(self) -> float:
        """Floating-point operations, forward and backward."""
        passes = 3 if self.goes_back else 2
        return 2.0 * passes * self.rows * self.steps * self.inputs * self.outputs


def frame_level() -> list[str]:
    """Returns the names of the models that sample frames."""
    models = {name: compose.compose("train", [f"model={name}"]) for name in groups.choices("model")}
    return [name for name, cfg in models.items() if "sampling" in cfg.model]


def of_model(cfg, model: keras.Model) -> list[Product]:
    """Returns the products by all kernels; rows are frames where a layer takes frames."""
    videos, sampling = cfg.batch_size, cfg.model.get("sampling")
    frames = sampling.get("samples", sampling.max_frames) if sampling else 0
    found = []
    for layer in model.layers:
        for variable in layer.trainable_variables:
            if not variable.name.endswith("kernel"):
                continue
            if variable.name == "recurrent_kernel":
                found.append(Product(videos, *variable.shape, steps=frames))
                continue
            first = keras.tree.flatten(layer.input)[0]
            each_frame = len(first.shape) == 3 and variable.name not in OF_VIDEOS
            rows = videos * frames if each_frame else videos
            before = keras.Model(model.input, layer.input).trainable_variables
            sizes = _as_matrix(variable.shape, first.shape[-1])
            found.append(Product(rows, *sizes, goes_back=bool(before)))
        found += _sums(layer, videos * frames)
        if isinstance(layer, keras.layers.MultiHeadAttention):
            width = layer.num_heads * layer.key_dim
            found += [Product(rows, width, frames), Product(rows, frames, width)]
    return found


def _sums(layer: keras.layers.Layer, rows: int) -> list[Product]:
    """The products that sum up frames for each cluster."""
    if isinstance(layer, NeXtVLAD):
        return [Product(rows * layer.groups, *layer.center.shape)]
    if isinstance(layer, VLAD | FisherVector):
        orders = 2 if isinstance(layer, FisherVector) else 1
        return [Product(rows, *layer.assignment.kernel.shape)] * orders
    return []


def _as_matrix(shape: tuple[int, ...], inputs: int) -> tuple[int, int]:
    """The inputs and outputs of a kernel: heads of attention and taps of filters are of either."""
    if shape[0] == inputs:
        return inputs, math.prod(shape[1:])
    return math.prod(shape[:-1]), shape[-1]

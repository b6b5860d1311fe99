"""How close do frame-level models train to the matrix products they contain?

    python -m benchmarks.frame_models [model ...] [overrides ...]

The step is that of training, on random bytes in memory: nothing is read. The limit is the bare
products of the same sizes, in the same run and in turns: forward, for the kernels' gradients and,
where a gradient goes further back, for the inputs'. Products over time are made frame after frame.
"""

import math
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from hydra.utils import instantiate
from omegaconf import OmegaConf

from benchmarks import turns
from yt8m_exp import spec
from yt8m_exp.config import compose, groups
from yt8m_exp.jobs.steps import recipe
from yt8m_exp.models.frame_level.clusters.netfv import FisherVector
from yt8m_exp.models.frame_level.clusters.netvlad import VLAD
from yt8m_exp.models.frame_level.clusters.nextvlad import NeXtVLAD
from yt8m_exp.training import step

ROUNDS = 3
OF_VIDEOS = ("squeeze_kernel", "excite_kernel")
"""Kernels of layers that take frames, which multiply what was pooled."""
LABELS = 3


@dataclass(frozen=True)
class Product:
    """A kernel (inputs, outputs) that `rows` rows are multiplied by, `steps` times in a row."""

    rows: int
    inputs: int
    outputs: int
    steps: int = 1
    goes_back: bool = True


def main() -> None:
    """Prints the table."""
    words = sys.argv[1:]
    names = [word for word in words if "=" not in word] or _frame_level()
    overrides = [word for word in words if "=" in word]
    print(f"{'':16}{'batch':>7}{'videos/s':>12}{'of products':>14}{'GiB at peak':>14}")
    for name in names:
        cfg = compose.compose("train", ["data=frame", f"model={name}", *overrides])
        OmegaConf.resolve(cfg)
        strategy = recipe.strategy(cfg)
        learner = recipe.learner(cfg, strategy)
        run, products = _step(cfg, strategy, learner), _bare(_products(cfg, learner.model))
        took = turns.seconds({"step": run, "products": products}, times=1, rounds=ROUNDS)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        rate, share = cfg.batch_size / took["step"], took["products"] / took["step"]
        print(f"{name:16}{cfg.batch_size:7}{rate:12,.1f}{share:14.2f}{peak:14.2f}", flush=True)


def _frame_level() -> list[str]:
    """The models that sample frames."""
    models = {name: compose.compose("train", [f"model={name}"]) for name in groups.choices("model")}
    return [name for name, cfg in models.items() if "sampling" in cfg.model]


def _step(cfg, strategy, learner) -> Callable[[], object]:
    run = step.make(
        learner.model,
        instantiate(cfg.loss),
        learner.optimizer,
        strategy=strategy,
        clip_to=instantiate(cfg.clip, _target_="yt8m_exp.training.step.Clip"),
        jit_compile=cfg.jit_compile,
    )
    rng = np.random.default_rng(0)
    shape = cfg.batch_size, cfg.model.sampling.max_frames
    batch = {
        name: rng.integers(0, 256, (*shape, size), np.uint8)
        for name, size in cfg.data.features.items()
    }
    batch["frames"] = np.full(cfg.batch_size, cfg.model.sampling.max_frames, np.int32)
    batch["labels"] = rng.integers(0, spec.CLASSES, (cfg.batch_size, LABELS), np.int32)
    return lambda: run(batch, 0.001)


def _products(cfg, model: keras.Model) -> list[Product]:
    """The products by all kernels of a model; rows are frames where a layer takes frames."""
    videos, sampling = cfg.batch_size, cfg.model.sampling
    frames = sampling.get("samples", sampling.max_frames)
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
    orders = {VLAD: 1, FisherVector: 2}.get(type(layer), 0)
    return [Product(rows, *layer.assignment.kernel.shape)] * orders


def _as_matrix(shape: tuple[int, ...], inputs: int) -> tuple[int, int]:
    """The inputs and outputs of a kernel: heads of attention and taps of filters are of either."""
    if shape[0] == inputs:
        return inputs, math.prod(shape[1:])
    return math.prod(shape[:-1]), shape[-1]


def _bare(products: list[Product]) -> Callable[[], object]:
    """The products of a step, and nothing else."""
    works = [_one(product) for product in products]
    return lambda: [float(work()) for work in works][-1]


def _one(product: Product) -> Callable[[], tf.Tensor]:
    kernel = tf.random.normal([product.inputs, product.outputs])
    x = tf.random.normal([product.rows, product.inputs])
    all_rows = tf.random.normal([product.rows * product.steps, product.inputs])
    all_outputs = tf.random.normal([product.rows * product.steps, product.outputs])

    @tf.function
    def work() -> tf.Tensor:
        y = tf.zeros([product.rows, product.outputs])
        total = tf.constant(0.0)
        for _ in tf.range(product.steps):
            y = tf.matmul(x + total, kernel)
            total = y[0, 0] * 0
            if product.goes_back:
                total += tf.matmul(y, kernel, transpose_b=True)[0, 0] * 0
        return total + tf.matmul(all_rows, all_outputs, transpose_a=True)[0, 0]

    return work


if __name__ == "__main__":
    main()

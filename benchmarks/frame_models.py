"""How close do frame-level models train to the matrix products they contain?

    python -m benchmarks.frame_models [model ...] [overrides ...]

The step is that of training, on random bytes in memory: nothing is read. The limit is the bare
products of the same sizes, in the same run and in turns: forward, for the kernels' gradients and,
where a gradient goes further back, for the inputs'. Products over time are made frame after frame.
Memory is that of the process after two steps, before the bare products are made.
"""

import multiprocessing
import resource
import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from hydra.utils import instantiate
from omegaconf import OmegaConf

from benchmarks import products, turns
from benchmarks.products import Product
from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data.videos import aligned
from yt8m_exp.jobs.steps import recipe
from yt8m_exp.training import step

ROUNDS = 3
LABELS = 3


def main() -> None:
    """Prints the table."""
    words = sys.argv[1:]
    names = [word for word in words if "=" not in word] or products.frame_level()
    overrides = [word for word in words if "=" in word]
    print(f"{'':16}{'batch':>7}{'videos/s':>12}{'of products':>14}{'GiB at peak':>14}")
    for name in names:
        # A process of its own: the peak of memory is that of this model.
        process = multiprocessing.get_context("spawn").Process(target=_row, args=(name, overrides))
        process.start()
        process.join()


def _row(name: str, overrides: list[str]) -> None:
    """Prints the row of a model."""
    cfg = compose.compose("train", ["data=frame", f"model={name}", *overrides])
    OmegaConf.resolve(cfg)
    strategy = recipe.strategy(cfg)
    learner = recipe.learner(cfg, strategy)
    run = _step(cfg, strategy, learner)
    for _ in range(2):
        float(run())  # type: ignore[arg-type]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    bare = _bare(products.of_model(cfg, learner.model))
    took = turns.seconds({"step": run, "products": bare}, times=1, rounds=ROUNDS)
    rate, share = cfg.batch_size / took["step"], took["products"] / took["step"]
    print(f"{name:16}{cfg.batch_size:7}{rate:12,.1f}{share:14.2f}{peak:14.2f}", flush=True)


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
    batch = {name: aligned((*shape, size)) for name, size in cfg.data.features.items()}
    for values in batch.values():  # aligned as the reader's are, or each step would copy them
        values[:] = rng.integers(0, 256, values.shape, np.uint8)
    batch["frames"] = np.full(cfg.batch_size, cfg.model.sampling.max_frames, np.int32)
    batch["labels"] = rng.integers(0, spec.CLASSES, (cfg.batch_size, LABELS), np.int32)
    return lambda: run(batch, 0.001)


def _bare(found: list[Product]) -> Callable[[], object]:
    """The products of a step, and nothing else."""
    works = [_one(product) for product in found]
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

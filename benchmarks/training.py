"""How close is training to the matrix products it contains, and what does reading cost it?

    python -m benchmarks.training [shards] [model=moe ...]

Each row is measured in turns with the others, several times over; ratios are between medians of the
same run. The limit of a step is its bare matrix products: forward, and the kernels' gradients.
"""

import itertools
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import tensorflow as tf
from hydra.utils import instantiate
from omegaconf import OmegaConf

from yt8m_exp.config import compose
from yt8m_exp.data import pipeline, shards
from yt8m_exp.data.packed.packing import Packing
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.jobs.steps import recipe
from yt8m_exp.training import step

BATCH, STEPS, ROUNDS = 1024, 12, 7


def main() -> None:
    """Prints the table."""
    words = sys.argv[1:]
    patterns = [word for word in words if "=" not in word] or ["sample/video/train"]
    overrides = [word for word in words if "=" in word]
    cfg = compose.compose("train", overrides)
    OmegaConf.resolve(cfg)
    manifest = shards.scan(patterns, Schema(dict(cfg.data.features), cfg.data.classes))
    strategy = recipe.strategy(cfg)
    shuffle = pipeline.Shuffle(0)
    kept = list(itertools.islice(pipeline.training_batches(manifest, BATCH, shuffle), 4))
    memory = itertools.cycle(kept)

    works: dict[str, Callable[[], object]] = {}
    for precision, jit in itertools.product(("float32", "mixed_bfloat16"), (False, True)):
        cfg.precision = precision
        run = _step(cfg, strategy, jit)
        works[f"step, {precision}{', XLA' if jit else ''}"] = lambda run=run: run(
            next(memory), 0.01
        )
    cfg.precision = "float32"
    stream = pipeline.training_batches(manifest, BATCH, shuffle)
    default = _step(cfg, strategy, cfg.jit_compile)
    works["from shards, as configured"] = lambda: default(next(stream), 0.01)
    with tempfile.TemporaryDirectory() as folder:  # what is mapped stays readable
        packed = Packing("float32", folder).open(manifest)
    packed_stream = pipeline.training_batches(manifest, BATCH, shuffle, load=packed)
    works["from packed shards, float32"] = lambda: default(next(packed_stream), 0.01)
    works["matrix products, float32"] = _products(cfg, kept[0])
    rates = _rates(works)

    limit = rates["matrix products, float32"]
    print(f"{manifest.records:,} videos, {cfg.model._target_}, batch {BATCH}")
    print(f"{'':34}{'examples/s':>12}{'of products':>14}")
    for name, rate in rates.items():
        print(f"{name:34}{rate:12,.0f}{rate / limit:14.2f}")
    steps = {name: rate for name, rate in rates.items() if name.startswith("step")}
    singles = [rate for name, rate in steps.items() if "float32" in name]
    halves = [rate for name, rate in steps.items() if "bfloat16" in name]
    in_memory = singles[int(cfg.jit_compile)]
    print(f"from shards / step in memory: {rates['from shards, as configured'] / in_memory:.2f}")
    print(f"best bfloat16 / best float32: {max(halves) / max(singles):.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _step(cfg, strategy, jit: bool) -> step.Step:
    import keras

    keras.config.set_dtype_policy(cfg.precision)
    learner = recipe.learner(cfg, strategy)
    return step.make(
        learner.model,
        instantiate(cfg.loss),
        learner.optimizer,
        strategy=strategy,
        jit_compile=jit,
    )


def _products(cfg, batch) -> Callable[[], object]:
    """The forward product of every kernel and the product that gives its gradient."""
    model = instantiate(cfg.model, features=dict(cfg.data.features), classes=cfg.data.classes)
    kernels = [variable.value for variable in model.weights if len(variable.shape) == 2]
    inputs = [tf.random.normal([BATCH, kernel.shape[0]]) for kernel in kernels]

    @tf.function
    def products():
        total = tf.constant(0.0)
        for kernel, x in zip(kernels, inputs, strict=True):
            y = tf.matmul(x, kernel)
            total += tf.reduce_sum(tf.matmul(x, y, transpose_a=True)[0])
        return total

    return products


def _rates(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    for work in works.values():
        for _ in range(2):
            float(work())
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            began = time.perf_counter()
            for _ in range(STEPS):
                result = work()
            float(result)
            seconds[name].append((time.perf_counter() - began) / STEPS)
    return {name: BATCH / statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    main()

"""How close is the estimate of a training step's memory to what the step takes?

    python -m benchmarks.memory model=lstm data=frame batch_size=16 [overrides ...]

The step is that of training, on random batches in memory: nothing is read. Linux only. On a GPU,
TensorFlow counts the GPU's memory that holds tensors.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from omegaconf import OmegaConf

from yt8m_exp import cli
from yt8m_exp.config import compose
from yt8m_exp.data.videos import aligned
from yt8m_exp.jobs.steps import recipe
from yt8m_exp.jobs.steps.checks import memory_check
from yt8m_exp.jobs.steps.training import fitting
from yt8m_exp.training import step
from yt8m_exp.training.memory import estimate as memory

STEPS = 3
LABELS = 3
SELF = Path("/proc/self")


def main() -> None:
    """Prints a line."""
    cli.prepare()
    cfg = compose.compose("train", sys.argv[1:])
    OmegaConf.resolve(cfg)
    strategy = recipe.strategy(cfg)
    learner = recipe.learner(cfg, strategy)
    update = fitting.update(cfg, learner, strategy)
    estimated = memory_check.estimator(cfg, learner, strategy, update)(cfg.batch_size).step
    frames = memory_check.frames(cfg)
    run = step.of_batches(learner.model, update, strategy)
    gpu = bool(tf.config.list_physical_devices("GPU"))
    before = _on_gpu("current") if gpu else _of_process("VmRSS")
    batch = _batch(memory.batch_of(learner.model, cfg.batch_size, frames), frames, cfg.data.classes)
    if gpu:
        tf.config.experimental.reset_memory_stats("GPU:0")
    else:
        (SELF / "clear_refs").write_text("5")  # forgets the peak so far
    for _ in range(STEPS):
        float(run(batch, 0.001))
    measured = (_on_gpu("peak") if gpu else _of_process("VmHWM")) - before
    print(f"{'estimated':>10}{'measured':>10}  GiB")
    print(f"{estimated / 2**30:10.2f}{measured:10.2f}  {' '.join(sys.argv[1:])}")


def _batch(specs: dict[str, tf.TensorSpec], frames: int, classes: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    batch = {}
    for name, spec in specs.items():
        shape = tuple(spec.shape)
        if spec.dtype == tf.uint8:
            batch[name] = aligned(shape)
            batch[name][:] = rng.integers(0, 256, shape[1:], np.uint8)
        elif spec.dtype == tf.float32:
            batch[name] = rng.standard_normal(shape, np.float32)
        elif name == "frames":
            batch[name] = np.full(shape, frames, np.int32)
        else:
            batch[name] = rng.integers(0, classes, (shape[0], LABELS), np.int32)
    return batch


def _on_gpu(key: str) -> float:
    return tf.config.experimental.get_memory_info("GPU:0")[key] / 2**30


def _of_process(key: str) -> float:
    lines = (SELF / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 2**20


if __name__ == "__main__":
    main()

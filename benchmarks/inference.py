"""How fast are shards turned into metrics and into predictions, and does memory grow with them?

    python -m benchmarks.inference [shards] [model=moe ...]

A model as it is initialised predicts the shards in order, several times over. The limit is its bare
forward products on a batch in memory.
"""

import itertools
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
from hydra.utils import instantiate
from omegaconf import OmegaConf

from yt8m_exp import cli, spec
from yt8m_exp.config import compose
from yt8m_exp.data import pipeline, shards
from yt8m_exp.data.ahead import ahead
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.evaluation import scoring
from yt8m_exp.serving.predictions import PredictionsWriter
from yt8m_exp.training.loss_values import value_of

BATCH, ROUNDS = 1024, 5


def main() -> None:
    """Prints the table."""
    cli.prepare()
    words = sys.argv[1:]
    patterns = [word for word in words if "=" not in word] or ["sample/video/train"]
    cfg = compose.compose("train", [word for word in words if "=" in word])
    OmegaConf.resolve(cfg)
    manifest = shards.scan(patterns, Schema(dict(cfg.data.features), cfg.data.classes))
    model = instantiate(cfg.model, features=dict(cfg.data.features), classes=cfg.data.classes)
    loss = value_of(instantiate(cfg.loss))
    tagger = scoring.predictor(model)
    folder = tempfile.TemporaryDirectory()

    def evaluate() -> None:
        batches = pipeline.ordered_batches(manifest, BATCH)
        scoring.evaluate(tagger, loss, batches, cfg.data.classes)

    def predict() -> None:
        with PredictionsWriter(Path(folder.name) / "predictions.csv") as file:
            batches = pipeline.ordered_batches(manifest, BATCH)
            for batch, predictions in ahead((b, tagger(b)) for b in batches):
                best = scoring.best(batch, predictions, spec.TOP_K)
                ids = [video.decode() for video in batch["id"]]
                file.write(ids, best.class_ids, best.scores)

    kept = next(pipeline.ordered_batches(manifest, BATCH))
    works: dict[str, Callable[[], None]] = {
        "forward products": _products(model, len(kept["id"]), manifest.records),
        "evaluation": evaluate,
        "inference, shard to CSV": predict,
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    memory = []
    for number, (name, work) in itertools.product(range(ROUNDS + 1), works.items()):
        began = time.perf_counter()
        work()
        if number:
            seconds[name].append(time.perf_counter() - began)
        memory.append(_resident_mebibytes())
    rates = {name: manifest.records / statistics.median(times) for name, times in seconds.items()}
    print(
        f"{manifest.records:,} videos, {cfg.model._target_}, batch {BATCH}, {os.cpu_count()} cores"
    )
    for name, rate in rates.items():
        print(f"{name:34}{rate:12,.0f} videos/s{rate / rates['forward products']:8.2f} of products")
    after_one, after_all = memory[len(works)], memory[-1]
    print(f"resident after one pass {after_one:,.0f} MiB, after {ROUNDS + 1}: {after_all:,.0f} MiB")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _products(model, rows: int, videos: int) -> Callable[[], None]:
    kernels = [variable.value for variable in model.weights if len(variable.shape) == 2]
    inputs = [tf.random.normal([rows, kernel.shape[0]]) for kernel in kernels]

    @tf.function
    def forward():
        return [tf.matmul(x, kernel)[0, 0] for x, kernel in zip(inputs, kernels, strict=True)]

    def work() -> None:
        for _ in range(-(-videos // rows)):
            float(forward()[0])

    return work


def _resident_mebibytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()

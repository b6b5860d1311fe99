"""How fast are frame-level shards trained on, scored and predicted, against reading them?

    python -m benchmarks.frames [shards] [model=... overrides]

The limit is TensorFlow's bare read of the same records, in the same run and in turns. Without
shards some are made of random bytes: 2,000 videos of 120-300 frames, three of 3,862 classes each,
each under five names, so that a pass takes seconds.
They are read from the page cache: the disk is not what is measured.
"""

import itertools
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from hydra.utils import instantiate
from omegaconf import OmegaConf

from benchmarks import turns
from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import pipeline, shards
from yt8m_exp.data.ahead import ahead
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.packed.packing import Packing
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.evaluation import scoring
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.jobs.steps import recipe, sources
from yt8m_exp.serving.predictions import PredictionsWriter
from yt8m_exp.training import step
from yt8m_exp.training.loss_values import value_of

SHARDS, VIDEOS, NAMES, ROUNDS = 4, 500, 5, 3


def main() -> None:
    """Prints the table."""
    words = sys.argv[1:]
    cfg = compose.compose("train", ["data=frame", *[word for word in words if "=" in word]])
    OmegaConf.resolve(cfg)
    with tempfile.TemporaryDirectory() as folder:
        patterns = [word for word in words if "=" not in word] or [_made(Path(folder))]
        learning = recipe.learner(cfg, recipe.strategy(cfg))
        manifest = Entry(learning.model).read(shards.scan(patterns, sources.schema(cfg)))
        steps = max(manifest.records // cfg.batch_size, 1)
        shuffle = pipeline.Shuffle(0, cfg.data.shuffle_bytes)
        packed = Packing("float32", f"{folder}/packed").open(manifest)
        streams = [
            pipeline.training_batches(manifest, cfg.batch_size, shuffle, load=load)
            for load in (None, packed)
        ]
        score = scoring.predictor(learning.model)
        loss = value_of(instantiate(cfg.loss))
        works: dict[str, Callable[[], object]] = {
            "TFRecord read": lambda: _read(manifest),
            "batches in order": lambda: sum(
                len(b["id"]) for b in pipeline.ordered_batches(manifest)
            ),
            "training": _training(cfg, learning, streams[0], steps),
            "training, packed": _training(cfg, learning, streams[1], steps),
            "evaluation": lambda: (
                scoring.evaluate(
                    score, loss, pipeline.ordered_batches(manifest), cfg.data.classes
                ).loss
            ),
            "inference to CSV": lambda: _predicted(score, manifest, Path(folder) / "out.csv"),
        }
        took = turns.seconds(works, times=1, rounds=ROUNDS, rest=1.0)
        for stream in streams:
            stream.close()  # type: ignore[attr-defined]
    frames = f"{learning.model.name}, batch {cfg.batch_size}, {manifest.records:,} videos"
    print(f"{frames}\n{'':20}{'videos/s':>12}{'of the read':>14}")
    videos = dict.fromkeys(works, manifest.records)
    videos |= dict.fromkeys(("training", "training, packed"), steps * cfg.batch_size)
    rates = {name: videos[name] / seconds for name, seconds in took.items()}
    for name, rate in rates.items():
        print(f"{name:20}{rate:12,.0f}{rate / rates['TFRecord read']:14.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _training(cfg, learning, batches: Iterator, steps: int) -> Callable[[], object]:
    update = step.make(
        learning.model,
        instantiate(cfg.loss),
        learning.optimizer,
        strategy=tf.distribute.get_strategy(),
        jit_compile=cfg.jit_compile,
    )
    return lambda: [update(batch, 0.001) for batch in itertools.islice(batches, steps)][-1]


def _read(manifest: Manifest) -> int:
    paths = [shard.path for shard in manifest.shards]
    records = tf.data.TFRecordDataset(paths, num_parallel_reads=2).batch(128)
    return sum(len(batch) for batch in records)


def _predicted(score, manifest: Manifest, path: Path) -> int:
    with PredictionsWriter(path) as file:
        batches = pipeline.ordered_batches(manifest)
        for batch, predictions in ahead((b, score(b)) for b in batches):
            best = scoring.best(batch, predictions, spec.TOP_K)
            file.write([name.decode() for name in batch["id"]], best.class_ids, best.scores)
    return 0


def _made(folder: Path) -> str:
    rng = np.random.default_rng(0)
    for shard in range(SHARDS):
        path = folder / f"made{shard}.tfrecord"
        tfrecord.write(path, [_video(rng, b"%d-%d" % (shard, n)) for n in range(VIDEOS)])
        for name in range(1, NAMES):
            path.with_stem(f"{path.stem}-{name}").hardlink_to(path)
    return str(folder)


def _video(rng: np.random.Generator, name: bytes) -> bytes:
    record = tf.train.SequenceExample()
    context, lists = record.context.feature, record.feature_lists.feature_list
    context["id"].bytes_list.value.append(name)
    context["labels"].int64_list.value.extend(rng.choice(spec.CLASSES, 3, replace=False).tolist())
    frames = rng.integers(120, spec.MAX_FRAMES + 1)
    for feature, size in ("rgb", spec.RGB), ("audio", spec.AUDIO):
        for row in rng.integers(0, 256, (frames, size), np.uint8):
            lists[feature].feature.add().bytes_list.value.append(row.tobytes())
    return record.SerializeToString()


if __name__ == "__main__":
    main()

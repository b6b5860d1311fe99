"""How fast are shards read and parsed, against the bare bytes and against TensorFlow's own parser?

    python -m benchmarks.reading [shards]

The limit is the same files read to memory and nothing done with them. The shards are read from the
page cache: the disk is not what is measured.
"""

import itertools
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from yt8m_exp import spec
from yt8m_exp.data import pipeline, shards
from yt8m_exp.data.tfrecords.records import Schema

BATCH, ROUNDS = 1024, 5
FEATURES = {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}


def main() -> None:
    """Prints the table."""
    patterns = sys.argv[1:] or ["sample/video"]
    found = shards.find([f"{pattern}/**/*.tfrecord" for pattern in patterns])
    paths = [Path(one.uri) for one in found]
    manifest = shards.scan([str(path) for path in paths], Schema(FEATURES, spec.CLASSES))
    videos = max(20 * BATCH, manifest.records)
    epochs = -(-videos // manifest.records)

    def raw() -> None:
        for path in paths * epochs:
            path.read_bytes()

    def ordered() -> None:
        for _ in range(epochs):
            for _ in pipeline.ordered_batches(manifest, BATCH):
                pass

    def shuffled() -> None:
        batches = pipeline.training_batches(manifest, BATCH, pipeline.Shuffle(0))
        for _ in itertools.islice(batches, epochs * manifest.records // BATCH):
            pass

    works: dict[str, Callable[[], None]] = {
        "bytes alone": raw,
        "in order (evaluation, inference)": ordered,
        "shuffled (training)": shuffled,
        "tf.data, parse_example, parallel": _tensorflow([str(path) for path in paths * epochs]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number, (name, work) in itertools.product(range(ROUNDS + 1), works.items()):
        began = time.perf_counter()
        work()
        if number:
            seconds[name].append(time.perf_counter() - began)
    rates = {
        name: epochs * manifest.records / statistics.median(values)
        for name, values in seconds.items()
    }
    print(f"{manifest.records:,} videos, {len(paths)} shards, {epochs} times over, batch {BATCH}")
    print(f"{'':34}{'videos/s':>12}{'of bytes alone':>16}")
    for name, rate in rates.items():
        print(f"{name:34}{rate:12,.0f}{rate / rates['bytes alone']:16.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _tensorflow(paths: list[str]) -> Callable[[], None]:
    import tensorflow as tf

    fields = {name: tf.io.FixedLenFeature([size], tf.float32) for name, size in FEATURES.items()}
    fields |= {"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)}
    parallel = tf.data.AUTOTUNE

    def read() -> None:
        records = tf.data.Dataset.from_tensor_slices(paths).interleave(
            tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=parallel
        )
        batches = records.batch(BATCH).map(
            lambda batch: tf.io.parse_example(batch, fields), num_parallel_calls=parallel
        )
        for _ in batches.prefetch(2):
            pass

    return read


if __name__ == "__main__":
    main()

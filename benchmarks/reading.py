"""How fast are shards read and parsed, against the bare bytes and against TensorFlow's own parser?

    python -m benchmarks.reading [shards]
    python -m benchmarks.reading frames [shards]

The limit is the same files read to memory and nothing done with them. The shards are read from the
page cache: the disk is not what is measured. Packed shards are those of `data.packed`; `frames`
reads shards of whole videos, and also packs the means of their frames.
"""

import itertools
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

from yt8m_exp import spec
from yt8m_exp.data import pipeline, shards
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.means import Means
from yt8m_exp.data.packed.packing import Packing
from yt8m_exp.data.packed.sets import PackedSet
from yt8m_exp.data.packed.stored import Precision
from yt8m_exp.data.tfrecords.records import Schema

BATCH, ROUNDS = 1024, 5
FRAMES_BATCH, GROUP_BYTES = 128, {"video": 32 << 20, "frame": 256 << 20}
FEATURES = {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
MEANS = Means("each", spec.MAX_FRAMES)


def main() -> None:
    """Prints the table."""
    words = sys.argv[1:]
    is_frames = words[:1] == ["frames"]
    patterns = words[is_frames:] or ["sample/frame" if is_frames else "sample/video"]
    schema = (
        Schema({"rgb": spec.RGB, "audio": spec.AUDIO}, spec.CLASSES, "frame")
        if is_frames
        else Schema(FEATURES, spec.CLASSES)
    )
    batch = FRAMES_BATCH if is_frames else BATCH
    found = shards.find([f"{pattern}/**/*.tfrecord" for pattern in patterns])
    manifest = shards.scan([one.uri for one in found], schema)
    epochs = -(-20 * batch // manifest.records)
    with tempfile.TemporaryDirectory() as folder:
        works = _works(manifest, batch, epochs, folder)
        rates = _rates(works, epochs * manifest.records)
    print(f"{manifest.records:,} videos, {len(found)} shards, {epochs} times over, batch {batch}")
    print(f"{'':34}{'videos/s':>12}{'of bytes alone':>16}")
    for name, rate in rates.items():
        print(f"{name:34}{rate:12,.0f}{rate / rates['bytes alone']:16.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _works(
    manifest: Manifest, batch: int, epochs: int, folder: str
) -> dict[str, Callable[[], None]]:
    """Returns what is measured; packs the shards into a folder before."""
    paths = [Path(shard.path) for shard in manifest.shards] * epochs
    shuffle = pipeline.Shuffle(0, GROUP_BYTES[manifest.schema.level])

    def raw() -> None:
        for path in paths:
            path.read_bytes()

    def ordered() -> None:
        for _ in range(epochs):
            for _ in pipeline.ordered_batches(manifest, batch):
                pass

    def shuffled(manifest: Manifest, load: PackedSet | None = None) -> None:
        batches = pipeline.training_batches(manifest, batch, shuffle, load=load)
        for _ in itertools.islice(batches, epochs * manifest.records // batch):
            pass

    works = {
        "bytes alone": raw,
        "in order (evaluation, inference)": ordered,
        "shuffled (training)": partial(shuffled, manifest),
    }
    sets: list[tuple[str, Manifest, Precision]] = [
        (f"packed, {precision}", manifest, precision) for precision in PRECISIONS
    ]
    if manifest.schema.level == "frame":
        means = replace(manifest, means=MEANS)
        works["means, shuffled"] = partial(shuffled, means)
        sets = [("packed, bytes", manifest, "float32"), ("packed means", means, "float32")]
    for name, packed, precision in sets:
        began = time.perf_counter()
        load = Packing(precision, folder).open(packed)
        seconds = time.perf_counter() - began
        print(f"{name}: made in {seconds:.2f} s, {load.bytes / 1e6:,.0f} MB")
        works[name] = partial(shuffled, packed, load)
    if manifest.schema.level == "video":
        works["tf.data, parse_example, parallel"] = _tensorflow(list(map(str, paths)))
    return works


def _rates(works: Mapping[str, Callable[[], None]], videos: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number, (name, work) in itertools.product(range(ROUNDS + 1), works.items()):
        began = time.perf_counter()
        work()
        if number:
            seconds[name].append(time.perf_counter() - began)
    return {name: videos / statistics.median(values) for name, values in seconds.items()}


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

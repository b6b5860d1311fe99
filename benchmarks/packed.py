"""Does the training split fit the memory of a machine when it is packed?

    python -m benchmarks.packed [uint8|float16|float32] [videos] [readers]

The videos are generated: as many as the release's `2/video/train` has, in as many shards. Each
reader is a process that reads an epoch in batches, as a training or a trial of a study does.
"""

import itertools
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from yt8m_exp import spec
from yt8m_exp.data import pipeline
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.packed import sets
from yt8m_exp.data.tfrecords.facts import Facts
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.videos import Videos
from yt8m_exp.stores.objects import Object

VIDEOS, SHARDS, BATCH, LABELS = 3_888_919, 3_844, 1024, 3
SCHEMA = Schema({"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}, spec.CLASSES)
MEBIBYTE = 2**20


def main() -> None:
    """Prints the table."""
    precision, videos, readers = [*sys.argv[1:], *("uint8", VIDEOS, 2)[len(sys.argv) - 1 :]]
    manifest = _manifest(int(videos))
    values = sum(SCHEMA.features.values()) * np.dtype(precision).itemsize
    print(f"{manifest.records:,} generated videos x {values:,} bytes: {precision}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        sets.write(folder, _pieces(manifest), precision)  # type: ignore[arg-type]
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(f"written in {time.perf_counter() - began:.0f} s: {size / MEBIBYTE:,.0f} MiB")
        _print("the process that packs", _memory())
        context = multiprocessing.get_context("spawn")
        with context.Pool(int(readers)) as pool:
            jobs = [(folder, manifest)] * int(readers)
            for rate, memory in pool.starmap(_read, jobs, chunksize=1):
                _print(f"a reader, {rate:,.0f} videos/s", memory)


def _print(who: str, memory: dict[str, int]) -> None:
    print(f"{who:36}" + ", ".join(f"{name} {size:,} MiB" for name, size in memory.items()))


def _manifest(videos: int) -> Manifest:
    sizes = [len(rows) for rows in np.array_split(np.arange(videos), SHARDS)]
    shards = tuple(
        Shard(
            Object(f"train{number:04}.tfrecord", 4706 * size, str(number)),
            Facts(f"{number:08x}", size, size, {}, "", "", 4706 * size),
        )
        for number, size in enumerate(sizes)
    )
    return Manifest(("generated",), shards, SCHEMA)


def _pieces(manifest: Manifest) -> Iterator[tuple[Shard, Videos]]:
    rng = np.random.default_rng(0)
    most = max(shard.records for shard in manifest.shards)
    drawn = {
        name: rng.normal(0, 0.5, (most, size)).clip(-2, 2).astype(np.float32)
        for name, size in SCHEMA.features.items()
    }
    for number, shard in enumerate(manifest.shards):
        size = shard.records
        ids = np.array([b"%04x%06x" % (number, row) for row in range(size)], object)
        yield (
            shard,
            Videos(
                ids=ids,
                features={
                    name: np.roll(rows[:size], number, axis=0) for name, rows in drawn.items()
                },
                labels=rng.integers(0, spec.CLASSES, LABELS * size, np.int32),
                splits=np.arange(size + 1) * LABELS,
                labelled=np.ones(size, bool),
                records=np.arange(size),
            ),
        )


def _read(folder: Path, manifest: Manifest) -> tuple[float, dict[str, int]]:
    """Reads an epoch; returns videos per second, and the memory that is resident at its end."""
    load = sets.PackedSet(folder)
    batches = pipeline.training_batches(manifest, BATCH, pipeline.Shuffle(0), load=load)
    steps = manifest.records // BATCH
    began = time.perf_counter()
    for _ in itertools.islice(batches, steps):
        pass
    return steps * BATCH / (time.perf_counter() - began), _memory()


def _memory() -> dict[str, int]:
    """Returns what of this process is in memory: its own, of files, and its share of both."""
    found = {}
    for name, path in ("Pss", "smaps_rollup"), ("RssAnon", "status"), ("RssFile", "status"):
        text = Path(f"/proc/self/{path}").read_text()
        found[name] = int(text.split(f"{name}:")[1].split()[0]) // 1024
    titles = {"RssAnon": "own", "RssFile": "of files", "Pss": "share of all"}
    return {title: found[name] for name, title in titles.items()}


if __name__ == "__main__":
    main()

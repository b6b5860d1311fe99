"""How fast are shards read from a bucket, and does the cache hold under readers and kills?

    python -m benchmarks.buckets [shards]

A fake of Google Cloud Storage on this machine holds 200 shards, copies of those given under other
names. The limit of a cold read is `transfer_manager` of google-cloud-storage, which downloads the
same objects in the same run; that of a warm read is the same shards as local files. Then four
processes read all through a cache that holds a quarter, and readers are killed at random moments.
"""

import itertools
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import google_crc32c
from google.cloud import storage
from google.cloud.storage import transfer_manager

from tests import buckets
from yt8m_exp import cli, spec
from yt8m_exp.data import pipeline, shards
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.shards import Reading
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.stores.cache import PART, Cache
from yt8m_exp.stores.objects import Object
from yt8m_exp.stores.read_ahead import THREADS, read_ahead

SCHEMA = Schema({"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}, spec.CLASSES)
SHARDS, BATCH, ROUNDS, READERS, KILLS = 200, 1024, 3, 4, 50


def main() -> None:
    """Prints the tables."""
    cli.prepare()  # as verbs do: the allocator decides whether memory grows
    originals = shards.find(sys.argv[1:] or ["sample/video/train"])
    with buckets.serving() as url, tempfile.TemporaryDirectory() as name:
        os.environ |= {"STORAGE_EMULATOR_HOST": url, "GOOGLE_CLOUD_PROJECT": "benchmark"}
        bucket, local = buckets.Bucket("benchmark"), Path(name, "local")
        local.mkdir()
        for number, original in zip(range(SHARDS), itertools.cycle(originals), strict=False):
            path = local / f"train{number:04}.tfrecord"
            path.write_bytes(Path(original.uri).read_bytes())
            bucket.put(path.name, path)
        found = shards.find(bucket.uri)
        _print_rates(bucket.uri, local, found)
        _print_bound(found, Path(name, "bounded"))
        _print_kills(found, Path(name, "killed"))


def _print_rates(uri: str, local: Path, found: Sequence[Object]) -> None:
    size = sum(one.bytes for one in found)
    print(f"{len(found)} shards, {size / 1e6:,.0f} MB, {THREADS} threads")
    print(f"{'':44}{'s':>8}{'MB/s':>8}")
    rows: dict[str, list[float]] = {}
    peaks = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            cache = Cache(folder)
            _timed(rows, "download, transfer_manager", partial(_transfer_manager, found))
            _timed(rows, "download, verified, into the cache", partial(_fetch, found, cache))
            known = shards.scan(uri, SCHEMA, reading=Reading(cache, None))
            _timed(rows, "batches, warm", partial(_batches, known))
            here = shards.scan(str(local), SCHEMA, reading=Reading(cache, None))
            _timed(rows, "batches, local files", partial(_batches, here))
        with tempfile.TemporaryDirectory() as folder:  # records are known, the cache is empty
            cold = shards.scan(uri, SCHEMA, reading=Reading(Cache(folder)))
            _timed(rows, "batches, cold", partial(_batches, cold))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    best = {name: min(seconds) for name, seconds in rows.items()}
    for name, seconds in best.items():
        print(f"{name:44}{seconds:8.2f}{size / 1e6 / seconds:8.0f}")
    for cold_or_warm, limit in (
        ("download, verified, into the cache", "download, transfer_manager"),
        ("batches, cold", "download, transfer_manager"),
        ("batches, warm", "batches, local files"),
    ):
        print(f"{cold_or_warm} / {limit}: {best[limit] / best[cold_or_warm]:.2f}")
    print(f"peak memory after each round: {', '.join(f'{peak:.2f}' for peak in peaks)} GiB")


def _print_bound(found: Sequence[Object], folder: Path) -> None:
    """Lets processes read through one cache, and looks at its size all the while."""
    bound = sum(one.bytes for one in found) // 4
    context = multiprocessing.get_context("spawn")
    wrong = context.Value("i", 0)
    readers = [
        context.Process(target=_read_all, args=(found, folder, bound, seed, wrong))
        for seed in range(READERS)
    ]
    for reader in readers:
        reader.start()
    largest = 0
    while any(reader.is_alive() for reader in readers):
        largest = max(largest, _size(folder))
    print(
        f"{READERS} readers, a cache of {bound / 1e6:,.0f} MB: it held {largest / 1e6:,.0f} MB at "
        f"most, {wrong.value} wrong shards, exit statuses {[one.exitcode for one in readers]}"
    )


def _print_kills(found: Sequence[Object], folder: Path) -> None:
    """Kills readers at random moments, and looks at what has a name after each."""
    rng, by_name = random.Random(0), {one.name: one for one in found}
    context = multiprocessing.get_context("spawn")
    wrong, killed, bad = context.Value("i", 0), 0, 0
    folder.mkdir()
    for seed in range(KILLS):
        args = (found, folder, 1 << 40, seed, wrong)
        reader = context.Process(target=_read_all, args=args)
        reader.start()
        most = _size(folder) + rng.randrange(sum(one.bytes for one in found) // 4)
        while reader.is_alive() and _size(folder) < most:
            pass
        reader.kill()
        reader.join()
        killed += reader.exitcode == -9
        for path in _kept(folder):
            if path.suffix != PART:
                right = by_name[path.name.split(".", 2)[2]].crc32c
                bad += f"{google_crc32c.value(path.read_bytes()):08x}" != right
        for path in rng.sample(_kept(folder), len(_kept(folder)) // 2):
            path.unlink()
    _read_all(found, folder, 1 << 40, 0, wrong)
    print(f"{killed} of {KILLS} readers killed: {bad} wrong files, {wrong.value} wrong reads")


def _read_all(found: Sequence[Object], folder: Path, size: int, seed: int, wrong: Any) -> None:
    for one in random.Random(seed).sample(found, len(found)):
        with Cache(str(folder), size).open(one) as file:
            if f"{google_crc32c.value(file.read()):08x}" != one.crc32c:
                with wrong.get_lock():
                    wrong.value += 1


def _kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.name != "lock")


def _size(folder: Path) -> int:
    size = 0
    for path in _kept(folder):
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _timed(rows: dict[str, list[float]], name: str, work: Callable[[], object]) -> None:
    began = time.perf_counter()
    work()
    rows.setdefault(name, []).append(time.perf_counter() - began)


def _fetch(found: Sequence[Object], cache: Cache) -> None:
    for _ in read_ahead(found, lambda one: [one], cache):
        pass


def _transfer_manager(found: Sequence[Object]) -> None:
    client = storage.Client(project="none")
    with tempfile.TemporaryDirectory() as folder:
        pairs = []
        for one in found:
            bucket, _, name = one.uri.removeprefix("gs://").partition("/")
            pairs.append((client.bucket(bucket).blob(name), str(Path(folder) / one.name)))
        transfer_manager.download_many(
            pairs, worker_type=transfer_manager.THREAD, max_workers=THREADS, raise_exception=True
        )


def _batches(manifest: Manifest) -> None:
    batches = pipeline.training_batches(manifest, BATCH, pipeline.Shuffle(0))
    for _ in itertools.islice(batches, manifest.records // BATCH):
        pass


if __name__ == "__main__":
    main()

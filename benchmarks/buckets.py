"""How fast are shards read from a bucket, cold and warm, and how soon does the first batch come?

    STORAGE_EMULATOR_HOST=http://... python -m benchmarks.buckets gs://bucket/folder [local folder]

The limit of a cold read is `transfer_manager` of google-cloud-storage, which downloads the same
objects in the same run; that of a warm read is the same shards as local files.
"""

import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from google.cloud import storage
from google.cloud.storage import transfer_manager

from yt8m_exp import spec
from yt8m_exp.data import pipeline, shards
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.shards import Reading
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.stores.cache import Cache
from yt8m_exp.stores.read_ahead import THREADS, read_ahead

SCHEMA = Schema({"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}, spec.CLASSES)
BATCH, ROUNDS = 1024, 3


def main() -> None:
    """Prints the table."""
    uri, *local = sys.argv[1:]
    found = shards.find(uri)
    size = sum(one.bytes for one in found)
    print(f"{len(found)} shards, {size / 1e6:,.0f} MB, {THREADS} threads")
    print(f"{'':44}{'s':>8}{'MB/s':>8}")
    rows: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            cache = Cache(folder)
            _timed(rows, "download, transfer_manager", partial(_transfer_manager, found))
            _timed(rows, "download, verified, into the cache", partial(_fetch, found, cache))
            known = shards.scan(uri, SCHEMA, reading=Reading(cache, None))
            _timed(rows, "batches, warm", partial(_batches, known))
            if local:
                here = shards.scan(local[0], SCHEMA, reading=Reading(cache, None))
                _timed(rows, "batches, local files", partial(_batches, here))
        with tempfile.TemporaryDirectory() as folder:  # records are known, the cache is empty
            cold = shards.scan(uri, SCHEMA, reading=Reading(Cache(folder)))
            _timed(rows, "batches, cold", partial(_batches, cold))
    for name, seconds in rows.items():
        print(f"{name:44}{min(seconds):8.2f}{size / 1e6 / min(seconds):8.0f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _timed(rows: dict[str, list[float]], name: str, work: Callable[[], object]) -> None:
    began = time.perf_counter()
    work()
    rows.setdefault(name, []).append(time.perf_counter() - began)


def _fetch(found: list, cache: Cache) -> None:
    for _ in read_ahead(found, lambda one: [one], cache):
        pass


def _transfer_manager(found: list) -> None:
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

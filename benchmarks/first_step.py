"""How soon does training begin on as many shards as a partition of the dataset has?

    python -m benchmarks.first_step [shard]

3,844 shards: local ones of the size of `2/video/train`'s, of which those that are not read before
the first steps are empty space, and small ones in a bucket of a fake server. Nothing is known of
them before. A training is started as people do, with a tracking database that is there; its first
checkpoint tells that the first step is done.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import buckets
from yt8m_exp import spec
from yt8m_exp.data import pipeline, shards
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.shards import Reading
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.stores.cache import Cache
from yt8m_exp.stores.objects import Object

SHARDS, BYTES, FEW, GROUPS = 3_844, 4_760_000, 40, 10
SCHEMA = Schema({"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}, spec.CLASSES)


def main() -> None:
    """Prints the table."""
    data = Path(*(sys.argv[1:] or ["sample/video/train/validate0017.tfrecord"])).read_bytes()
    with buckets.serving() as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {
            "STORAGE_EMULATOR_HOST": url,
            "GOOGLE_CLOUD_PROJECT": "benchmark",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        }
        from mlflow import MlflowClient

        MlflowClient().search_experiments()  # makes the database
        places = {"local": _local(folder / "local", data), "bucket": _bucket(folder, data)}
        for title, place in places.items():
            os.environ["XDG_CACHE_HOME"] = str(folder / f"{title} cache")
            print(f"{title}: {SHARDS:,} shards")
            _print_parts(place, Cache(str(folder / f"{title} objects")))
            os.environ["XDG_CACHE_HOME"] = str(folder / f"{title} cache of the training")
            print(f"  train, start to first step{_until_first_step(place, folder / title):9.1f} s")


def _local(folder: Path, data: bytes) -> str:
    folder.mkdir()
    content = data * round(BYTES / len(data))
    names = [f"train{number:04}.tfrecord" for number in range(SHARDS)]
    listed = tuple(Shard(Object(name, len(content), "")) for name in names)
    order = pipeline.epoch_order(Manifest((), listed, SCHEMA), pipeline.Shuffle(0), 0)
    read = {shard.name for group in order[:GROUPS] for shard in group}
    read |= set(names[: shards.CHECK_BYTES // len(content) + 2])
    for name in names:
        with (folder / name).open("wb") as file:
            file.write(content if name in read else b"")
            file.truncate(len(content))
    return str(folder)


def _bucket(folder: Path, data: bytes) -> str:
    spans, _ = tfrecord.index(data, checksums=False)
    end = int(spans.starts[FEW] - tfrecord.HEADER_BYTES)
    bucket = buckets.Bucket("benchmark")
    for number in range(SHARDS):
        bucket.put(f"train/train{number:04}.tfrecord", data[:end])
    return f"{bucket.uri}/train"


def _print_parts(place: str, cache: Cache) -> None:
    def timed(title: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  {title:26}{seconds:9.2f} s, peak memory {peak:,.0f} MiB")
        return result

    timed("listing", lambda: shards.find(place))
    manifest = timed("manifest", lambda: shards.scan(place, SCHEMA, reading=Reading(cache)))
    batches = pipeline.training_batches(manifest, 1024, pipeline.Shuffle(0))
    timed("first batch", lambda: next(batches))
    batches.close()  # type: ignore[attr-defined]


def _until_first_step(place: str, folder: Path) -> float:
    runs = folder.with_name(f"{folder.name} runs")
    command = [
        *(sys.executable, "-m", "yt8m_exp.train", f"data.train={place}", "batch_size=1024"),
        *("checkpoint_seconds=0", f"tracking.runs='{runs}'", "tracking.system_metrics=false"),
    ]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=-3, stderr=-3)
    while process.poll() is None and not any(runs.glob("*/checkpoints/checkpoint-*")):
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    if process.poll() is not None:
        raise SystemExit(f"The training ended with status {process.returncode}.")
    process.send_signal(signal.SIGKILL)
    process.wait()
    return seconds


if __name__ == "__main__":
    main()

"""How fast are shards checked, against the bare read of the same files?

    python -m benchmarks.checking [shards]

Both are measured from the page cache, and from the disk: the kernel is told to forget the files
before. The bare read is one thread that reads file after file to memory and does nothing with them.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from yt8m_exp import cli
from yt8m_exp.data import shards
from yt8m_exp.data.doctor import examination, survey
from yt8m_exp.data.doctor import statistics as features
from yt8m_exp.data.tfrecords import warming
from yt8m_exp.stores.objects import Object

ROUNDS = 7


def main() -> None:
    """Prints the table."""
    cli.prepare()
    listed = shards.find(sys.argv[1:] or ["sample/video/train"])
    warming.warm(features.calls())
    examination.examine(listed[0])  # loads what is loaded on first use
    found = survey.survey(examination.examine_all(listed))
    megabytes = found.bytes / 1e6
    print(f"{found.videos:,} videos, {len(listed)} shards, {megabytes:,.0f} MB")
    print(f"{'':26}{'seconds':>9}{'of CPUs':>9}{'MB/s':>7}{'videos/s':>11}{'of the bare read':>18}")
    for place, prepare in {"page cache": lambda paths: None, "disk": _forget}.items():
        measured = _measured(listed, prepare)
        for name, (seconds, cpus) in measured.items():
            ratio = measured["bare read"][0] / seconds
            print(
                f"{f'{name}, {place}':26}{seconds:9.3f}{cpus:9.3f}{megabytes / seconds:7,.0f}"
                f"{found.videos / seconds:11,.0f}{ratio:18.2f}"
            )


def _measured(
    listed: Sequence[Object], prepare: Callable[[Sequence[Path]], None]
) -> dict[str, tuple[float, float]]:
    """Returns the median seconds of the bare read and of the check, and those of processors.

    Both are measured in turns.
    """
    paths = [Path(one.uri) for one in listed]
    works: dict[str, Callable[[], object]] = {
        "bare read": lambda: [len(path.read_bytes()) for path in paths],
        "check": lambda: survey.survey(examination.examine_all(listed)),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            prepare(paths)
            began = time.perf_counter(), time.process_time()
            work()
            ended = time.perf_counter(), time.process_time()
            found[name].append((ended[0] - began[0], ended[1] - began[1]))
    return {
        name: (statistics.median(taken), statistics.median(cpus))
        for name, (taken, cpus) in ((n, zip(*rows, strict=True)) for n, rows in found.items())
    }


def _forget(paths: Sequence[Path]) -> None:
    """Makes the kernel drop what it keeps of files; they must be on disk already."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()

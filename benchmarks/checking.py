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
from yt8m_exp.data import shards, warming
from yt8m_exp.data.doctor import examination, survey
from yt8m_exp.data.doctor import statistics as features

ROUNDS = 7


def main() -> None:
    """Prints the table."""
    cli.prepare()
    paths = shards.find(sys.argv[1:] or ["sample/video/train"])
    warming.warm(features.calls())
    examination.examine(paths[0])  # loads what is loaded on first use
    found = survey.survey(examination.examine_all(paths))
    megabytes = found.bytes / 1e6
    print(f"{found.videos:,} videos, {len(paths)} shards, {megabytes:,.0f} MB")
    print(f"{'':26}{'seconds':>9}{'MB/s':>9}{'videos/s':>11}{'of the bare read':>18}")
    for place, prepare in {"page cache": lambda paths: None, "disk": _forget}.items():
        seconds = _measured(paths, prepare)
        for name, taken in seconds.items():
            ratio = seconds["bare read"] / taken
            print(
                f"{f'{name}, {place}':26}{taken:9.3f}{megabytes / taken:9,.0f}"
                f"{found.videos / taken:11,.0f}{ratio:18.2f}"
            )


def _measured(paths: Sequence[Path], prepare: Callable[[Sequence[Path]], None]) -> dict[str, float]:
    """Returns the median seconds of the bare read and of the check, measured in turns."""
    works: dict[str, Callable[[], object]] = {
        "bare read": lambda: [len(path.read_bytes()) for path in paths],
        "check": lambda: survey.survey(examination.examine_all(paths)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            prepare(paths)
            began = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _forget(paths: Sequence[Path]) -> None:
    """Makes the kernel drop what it keeps of files; they must be on disk already."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()

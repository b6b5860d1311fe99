"""How long do the competition's lists of segments take, to make, to write and to score?

    python -m benchmarks.segments [segments]

Made-up probabilities of 1,000 classes; each list keeps 100,000 segments of them, and 237 are rated.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from yt8m_exp import spec
from yt8m_exp.evaluation.segments import evaluate_lists
from yt8m_exp.serving.segment_files import SegmentsWriter, read_segments

BATCH, RATED = 2048, 237


def main() -> None:
    """Prints the table."""
    segments = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segments.csv"
        with SegmentsWriter(path, np.arange(spec.SEGMENT_CLASSES)) as writer:
            took = 0.0
            for names, scores in _batches(segments, rng):
                began = time.perf_counter()
                writer.write(names, np.arange(spec.SEGMENT_CLASSES), scores)
                took += time.perf_counter() - began
            _show(f"{segments:,} segments into lists", took)
            began = time.perf_counter()
        _show(f"lists into a file of {path.stat().st_size / 2**20:,.0f} MiB", _since(began))
        ratings = {
            class_id: {_name(n).decode(): bool(n % 2) for n in rng.integers(0, segments, RATED)}
            for class_id in range(spec.SEGMENT_CLASSES)
        }
        began = time.perf_counter()
        evaluate_lists(read_segments(path), ratings)
        _show("the file into mAP", _since(began))


def _batches(segments: int, rng: np.random.Generator) -> Iterator[tuple[list[bytes], np.ndarray]]:
    for start in range(0, segments, BATCH):
        names = [_name(number) for number in range(start, min(start + BATCH, segments))]
        yield names, rng.random((len(names), spec.SEGMENT_CLASSES), dtype=np.float32)


def _name(number: int) -> bytes:
    video, place = divmod(int(number), 60)
    return b"%04x:%d" % (video, place * spec.SEGMENT_FRAMES)


def _since(began: float) -> float:
    return time.perf_counter() - began


def _show(what: str, seconds: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:40}{seconds:8.1f} s   peak memory {peak:.2f} GiB", flush=True)


if __name__ == "__main__":
    main()

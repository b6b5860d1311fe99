"""How long do the metrics of the whole validation split take, and how much memory?

    python -m benchmarks.metrics [videos]

The limit is what the method cannot do without: one sort of the same packed keys.
"""

import resource
import sys
import time

import numpy as np

from yt8m_exp import spec
from yt8m_exp.evaluation.precision import precision_sums
from yt8m_exp.evaluation.ranking import Ranking

VIDEOS = 1_112_356
BATCH = 1024


def main() -> None:
    """Prints one line a measure for made-up predictions of about the real statistics."""
    videos = int(sys.argv[1]) if len(sys.argv) > 1 else VIDEOS
    ranking, seconds = _filled(videos)
    print(f"{'update, batches of 1024':36}{seconds:8.2f} s   {videos / seconds:,.0f} videos/s")
    _timed("result: all metrics and the curve", ranking.result)
    print(f"{'peak resident memory':36}{_peak_mebibytes():8.0f} MiB")
    keys = ranking.state()["keys"]
    print(f"{'state':36}{keys.nbytes / 2**20:8.0f} MiB")

    np.random.default_rng(1).shuffle(keys)  # `result` has sorted them
    pooled = keys.astype(np.uint32)
    _rows("GAP", pooled, np.array([2**32 - 1], np.uint32))
    _rows("mAP", keys, np.arange(1, spec.CLASSES + 1, dtype=np.uint64) << 32)


def _rows(name: str, keys: np.ndarray, bounds: np.ndarray) -> None:
    limit = _timed(f"limit of {name}: the sort of its keys", keys.sort)
    ends = np.searchsorted(keys, bounds)
    seconds = limit + _timed("  its sums, ties included", lambda: precision_sums(keys, ends))
    print(f"{name:36}{seconds:8.2f} s   {seconds / limit:.2f} times its limit")


def _filled(videos: int) -> tuple[Ranking, float]:
    rng = np.random.default_rng(0)
    ranking, seconds, left = Ranking(spec.CLASSES), 0.0, videos
    while left:
        made = batch(rng, min(BATCH, left))
        start = time.perf_counter()
        ranking.update(*made)
        seconds += time.perf_counter() - start
        left -= len(made[0])
    return ranking, seconds


def batch(rng: np.random.Generator, videos: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sigmoids of normal logits, frequent classes more often, about three labels a video."""
    shape = (videos, spec.TOP_K)
    logits = 2 * rng.standard_normal(shape, dtype=np.float32) - 3
    scores = np.sort(1 / (1 + np.exp(-logits)), axis=1)[:, ::-1]
    start = (spec.CLASSES * rng.random((videos, 1)) ** 3).astype(np.int32)
    class_ids = (start + 37 * np.arange(spec.TOP_K, dtype=np.int32)) % spec.CLASSES
    labels = np.where(rng.random(shape) < scores, class_ids, -1)
    return scores, class_ids, labels.astype(np.int32)


def _timed(name: str, function) -> float:
    start = time.perf_counter()
    function()
    seconds = time.perf_counter() - start
    print(f"{name:36}{seconds:8.2f} s")
    return seconds


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()

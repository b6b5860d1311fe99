"""The best K of each row, in a loop that Numba compiles on first use and then caches.

For small K it takes a fraction of the time of TensorFlow's `top_k` on a CPU, and one core.
"""

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from yt8m_exp.data.tfrecords.warming import Call

_BLOCK = 64  # scores that are compared at once with the lowest kept score
_MOST = 256  # a larger K is sorted, because each insertion moves all lower scores


def top_k(scores: ArrayLike, k: int) -> tuple[NDArray, NDArray]:
    """Returns the best K scores of each row and their classes.

    Args:
        scores: scores of all classes, float32 or float64 (B, C).
        k: how many to keep, at least 1; all if there are fewer classes.

    Returns:
        Scores (B, K), falling, NaN first; and class ids, int32 (B, K). Of equal scores, the lower
        class comes first.
    """
    scores = np.ascontiguousarray(scores)
    k = min(k, scores.shape[1])
    if k > _MOST:
        keys = np.where(np.isnan(scores), -np.inf, -scores)
        order = np.argsort(keys, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, order, axis=1), order.astype(np.int32)
    best = np.empty((len(scores), k), scores.dtype)
    class_ids = np.empty((len(scores), k), np.int32)
    _fill(scores, best, class_ids)
    return best, class_ids


@numba.njit(nogil=True, cache=True)
def _fill(scores, best, class_ids):  # type: ignore[no-untyped-def]
    classes, k = scores.shape[1], best.shape[1]
    for row in range(len(scores)):
        kept = 0
        for start in range(0, classes, _BLOCK):
            stop = min(start + _BLOCK, classes)
            better = kept < k
            for column in range(start, stop):
                better |= not scores[row, column] <= best[row, k - 1]  # or is NaN
            if not better:
                continue
            for column in range(start, stop):
                score = scores[row, column]
                if kept == k and (score <= best[row, k - 1] or np.isnan(best[row, k - 1])):
                    continue
                place = min(kept, k - 1)
                while place > 0 and not (
                    score <= best[row, place - 1] or np.isnan(best[row, place - 1])
                ):
                    best[row, place] = best[row, place - 1]
                    class_ids[row, place] = class_ids[row, place - 1]
                    place -= 1
                best[row, place] = score
                class_ids[row, place] = column
                kept = min(kept + 1, k)


def calls() -> list[Call]:
    """Returns a call of the loop with a read-only array, as TensorFlow's are; see `warming`."""
    scores = np.frombuffer(bytes(4), np.float32).reshape(1, 1)
    return [(_fill, (scores, np.empty((1, 1), np.float32), np.empty((1, 1), np.int32)))]

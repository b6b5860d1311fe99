"""Reads what a batch prediction job of an exported model writes: one JSON object for each video.

    {"video_id": "...", "class_indexes": [...], "predictions": [...]}

Source: google/youtube-8m, `convert_prediction_from_json_to_csv.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.data import text
from yt8m_exp.spec import InputError

KEYS = ("video_id", "class_indexes", "predictions")


def read(path: str | Path) -> Iterator[tuple[str, NDArray, NDArray]]:
    """Reads a file of JSON lines, video by video; lines without content are left out.

    Yields:
        A video's id, its class ids, int64 (K,), and its scores, float64 (K,), falling.

    Raises:
        InputError: a line has another format; the error names the file and the line.
    """
    for number, line in enumerate(text.lines(path), 1):
        if line.strip():
            yield _parsed(line, where=f"{path}, line {number}")


def _parsed(line: str, *, where: str) -> tuple[str, NDArray, NDArray]:
    try:
        found = json.loads(line)
        video, ids, scores = (found[key] for key in KEYS)
        scores = np.asarray(scores, float)
        class_ids = np.asarray(ids) if len(ids) else np.empty(0, int)
        whole = np.issubdtype(class_ids.dtype, np.integer) and (class_ids >= 0).all()
        same = class_ids.ndim == 1 and class_ids.shape == scores.shape
        video.encode()  # fails for half of a surrogate pair
        if whole and same and np.isfinite(scores).all():
            order = np.argsort(-scores, kind="stable")
            return video, class_ids[order], scores[order]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        pass
    raise InputError(
        f"{where}: expected a JSON object with {', '.join(KEYS)}, the latter two of one length, "
        f"but got {line[:80].strip()!r}. Is the file cut, or of another "
        "kind, as a job's `errors_stats`?"
    )

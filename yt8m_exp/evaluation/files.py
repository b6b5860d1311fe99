"""Scores the predictions of a file against the labels of videos."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.data import text
from yt8m_exp.data.videos import LABEL_PADDING
from yt8m_exp.evaluation.ranked import Ranked
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.evaluation.sample import Predicted, Sample
from yt8m_exp.spec import InputError

Labels = Mapping[str, NDArray]
"""The class ids of each video, by its id."""
Line = tuple[str, NDArray, NDArray]
"""A video's id, its class ids (K,) and its scores (K,)."""
Row = tuple[str, NDArray, NDArray, NDArray]
"""A video's id, its class ids (K,) and its scores (K,), and its labels (L,)."""
HEADER = ["id", "labels"]
_BATCH = 1024


class Padded(NamedTuple):
    """Rows of one length: falling scores, class ids, labels, (B, K) and (B, L)."""

    scores: NDArray
    class_ids: NDArray
    labels: NDArray


@dataclass(frozen=True, eq=False)
class FileScore:
    """How well the predictions of a file rank.

    Attributes:
        ranked: Over all labelled videos; a video that the file lacks has no right prediction.
        missing: Labelled videos that the file lacks.
        unknown: Videos of the file that have no labels, and are left out.
        sample: Some of the labelled videos.
    """

    ranked: Ranked
    missing: int
    unknown: int
    sample: Predicted


def score_predictions(
    predictions: Iterable[Line],
    labels: Labels,
    classes: int,
    *,
    top_k: int = spec.TOP_K,
    top_n: Sequence[int] = (),
) -> FileScore:
    """Scores predictions as the competition does.

    Args:
        predictions: Videos, each once, their scores in any order. Classes that a video does not
            list count as not predicted.
        labels: What is right.
        classes: C.
        top_k: Predictions of a video that count in GAP and mAP.
        top_n: See `Ranking.result`.

    Raises:
        InputError: A video or one of its classes is repeated, a score is negative or NaN, or no
            video of the file has labels.
    """
    top_k = min(top_k, classes)
    ranking = Ranking(classes, top_k=top_k, padded=True)
    left, unknown = dict(labels), 0
    rows: list[Row] = []
    seen: set[str] = set()
    for video, class_ids, scores in predictions:
        if video in seen:
            raise InputError(f"A video must have one line, but {video!r} has two.")
        if len(set(class_ids.tolist())) < class_ids.size:
            raise InputError(f"A video must list a class once, but {video!r} repeats one.")
        seen.add(video)
        if (right := left.pop(video, None)) is None:
            unknown += 1
        else:
            rows.append((video, class_ids, scores, right))
    if not rows:
        raise InputError(
            f"None of the {unknown:,} videos of the file is among the {len(labels):,} labelled "
            "ones. Is it of another split? Files of the test split cannot be scored."
        )
    nothing = np.empty(0, np.int32), np.empty(0, np.float32)
    rows += [(video, *nothing, right) for video, right in left.items()]
    sample = Sample(top_k=top_k)
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        found = _padded(part, top_k)
        ranking.update(found.scores, found.class_ids, found.labels)
        names = np.array([video.encode() for video, *_ in part], object)
        sample.add({"id": names, "labels": found.labels}, found.scores, found.class_ids)
    return FileScore(ranking.result(top_n=top_n), len(left), unknown, sample.result())


def gather_labels(batches: Iterable[Mapping[str, NDArray]]) -> dict[str, NDArray]:
    """Gathers the labels of videos from batches (`id` and `labels`)."""
    return {
        name.decode(): labels[labels >= 0]
        for batch in batches
        for name, labels in zip(batch["id"], batch["labels"], strict=True)
    }


def read_labels(path: str | Path) -> dict[str, NDArray]:
    """Reads labels from a CSV with the header `id,labels`, class ids separated by spaces.

    Raises:
        InputError: The file does not have the format, or names a video twice.
    """
    found: dict[str, NDArray] = {}
    for number, row in _rows(path):
        try:
            video, class_ids = row
            labels = np.array([text.class_id(word) for word in class_ids.split()], np.int32)
        except (ValueError, TypeError):
            raise InputError(
                f"{path}, line {number}: expected `id,class class ...`, but got "
                f"{','.join(row)[:80]!r}."
            ) from None
        if video in found:
            raise InputError(f"{path}, line {number}: {video!r} has labels already.")
        found[video] = labels
    if not any(labels.size for labels in found.values()):
        raise InputError(f"{path}: at least one video must have a label, but none has.")
    return found


def _rows(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    rows = text.table(path)
    _, header = next(rows, (0, None))
    if header != HEADER:
        raise InputError(f"{path}: expected the header {HEADER}, but got {header}.")
    yield from rows


def _padded(rows: Sequence[Row], top_k: int) -> Padded:
    """Returns what `Ranking.update` takes."""
    width = max(top_k, *(max(ids.size, right.size) for _, ids, _, right in rows))
    scores = np.zeros((len(rows), width), np.float32)
    class_ids = np.full((len(rows), width), -1, np.int32)
    labels = np.full((len(rows), width), LABEL_PADDING, np.int32)
    for row, (_, ids, values, right) in enumerate(rows):
        order = np.lexsort((ids, -values))
        scores[row, : ids.size], class_ids[row, : ids.size] = values[order], ids[order]
        labels[row, : right.size] = right
    return Padded(scores, class_ids, labels)

"""Segments of videos: videos cut into them, and the competition's mAP@N over ranked lists of them.

A segment is five frames, named `<video id>:<start>`, the start in seconds. People rated a few
(segment, class) pairs, as present or absent; nothing is known of all others.

Source: google/youtube-8m, `inference.py` (`get_segments`) and `segment_eval_inference.py`, and
https://www.kaggle.com/c/youtube8m-2019, evaluation.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat

import numpy as np
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.spec import InputError

Ratings = Mapping[int, Mapping[str, bool]]
"""Whether a class is present in a segment, by class id, then by the segment's name."""


@dataclass(frozen=True)
class SegmentMetrics:
    """How well ranked lists of segments put the present ones first.

    Attributes:
        ap: Average precision of each class that has a list, by class id; NaN without positives.
    """

    ap: Mapping[int, float]

    @property
    def classes_with_positives(self) -> int:
        """Classes with a list and positives."""
        return int(np.isfinite([*self.ap.values()]).sum())

    @property
    def map(self) -> float:
        """Mean over the classes with a list and positives, as the starter code's; NaN without."""
        known = [value for value in self.ap.values() if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")

    def map_over(self, classes: int = spec.SEGMENT_CLASSES) -> float:
        """Mean over `classes`, as in the competition: one without list or positives counts as 0."""
        return float(np.nansum([*self.ap.values()]) / classes)


def evaluate_lists(
    lists: Iterable[tuple[int, Sequence[str]]],
    ratings: Ratings,
    *,
    n: int | None = spec.SEGMENTS_LISTED,
) -> SegmentMetrics:
    """Scores ranked lists, one at a time, in the competition's order of operations.

    A list is cut to its first `n` segments. Segments that were not rated for the class are dropped.
    The precisions at the present ones are summed, and divided by the number of all present ones,
    listed or not. A repeated segment is dropped, but counts among the first `n`. The lists have no
    scores and hence no ties: their writer orders tied segments.

    Args:
        lists: A class id and its segments, best first; each class once.
        ratings: What was rated.
        n: The cut; None leaves lists whole.

    Raises:
        InputError: A class has two lists.
    """
    ap: dict[int, float] = {}
    for class_id, segments in lists:
        if class_id in ap:
            raise InputError(f"A class must have one list, but class {class_id} has two.")
        known = dict(ratings.get(class_id, {}))
        positives = sum(known.values())
        found = map(known.pop, islice(segments, n), repeat(None))
        hits = np.fromiter((hit for hit in found if hit is not None), bool)
        ranks = np.flatnonzero(hits) + 1
        total = float(np.sum(np.arange(1, ranks.size + 1) / ranks))
        ap[class_id] = total / positives if positives else float("nan")
    return SegmentMetrics(ap)


def gather_ratings(batches: Iterable[Mapping[str, NDArray]]) -> Ratings:
    """Gathers what was rated from batches of rated segments (`id`, `rated` and `labels`)."""
    ratings: dict[int, dict[str, bool]] = defaultdict(dict)
    for batch in batches:
        for name, rated, labels in zip(batch["id"], batch["rated"], batch["labels"], strict=True):
            for class_id in rated[rated >= 0].tolist():
                ratings[class_id][name.decode()] = class_id in labels
    return ratings


def cut_all(
    batches: Iterable[Mapping[str, NDArray]], batch_size: int = 256
) -> Iterator[tuple[int, list[dict[str, NDArray]]]]:
    """Cuts batches of videos into batches of segments.

    Yields:
        The number of videos done after these batches, and batches of segments; see `cut`.
    """
    videos = 0
    for batch in batches:
        videos += len(batch["id"])
        pieces = cut(batch)
        starts = range(0, len(pieces["id"]), batch_size)
        yield videos, [{k: v[a : a + batch_size] for k, v in pieces.items()} for a in starts]


def cut(batch: Mapping[str, NDArray], length: int = spec.SEGMENT_FRAMES) -> dict[str, NDArray]:
    """Cuts videos into segments that together hold each frame once; the last one may be shorter.

    Args:
        batch: Frame-level features (B, T, D), `frames` (B,) of at most T, and `id`, bytes (B,).
        length: Frames of a segment.

    Returns:
        A batch of the segments, video by video: features (N, length, D), `frames`, `id`, and
        `labels`, which are unknown, and `row`, that of the video. A shorter segment ends in the
        padding of its video.
    """
    features = {name: values for name, values in batch.items() if values.ndim == 3}
    longest = next(iter(features.values())).shape[1]
    starts = np.arange(0, longest, length)
    seen = np.clip(batch["frames"][:, None] - starts, 0, length).astype(np.int32)  # (B, T / length)
    video, place = np.nonzero(seen)
    room = ((0, 0), (0, -longest % length), (0, 0))
    pieces = {
        name: np.pad(values, room).reshape(len(values), starts.size, length, -1)[video, place]
        for name, values in features.items()
    }
    names = [b"%b:%d" % pair for pair in zip(batch["id"][video], starts[place], strict=True)]
    return pieces | {
        "frames": seen[video, place],
        "row": video,
        "id": np.array(names, object),
        "labels": np.full((video.size, 1), -1, np.int32),
    }

"""Rated segments of the 2019 release: five seconds of a video, and which classes raters saw there.

Only rated pairs of a segment and a class are known, present or absent; of all others nothing is.
Source: https://research.google.com/youtube8m/download.html, "YouTube-8M Segments".
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from yt8m_exp import spec
from yt8m_exp.data.tfrecords import wire
from yt8m_exp.data.videos import Frames, Videos

STARTS, CLASSES, SCORES = "segment_start_times", "segment_labels", "segment_scores"
KINDS = {STARTS: wire.INTEGERS, CLASSES: wire.INTEGERS, SCORES: wire.FLOATS}
KEYS = tuple(KINDS)


def cut(
    videos: Videos,
    buffer: np.ndarray,
    fields: Mapping[str, wire.Field],
    *,
    classes: int,
    found: dict[int, str],
) -> Videos:
    """Cuts the rated segments out of videos, in order of their start.

    Args:
        videos: whole videos.
        buffer: the bytes of their records.
        fields: where the records hold `KEYS`.
        classes: class ids lie in [0, classes).
        found: what is wrong with records, by number; more is added to it.

    Returns:
        A row a segment, none of a video without ratings.
    """
    theirs = {key: wire.Field(*(column[videos.records] for column in fields[key])) for key in KEYS}
    starts, splits, cut_starts = wire.varints(buffer, theirs[STARTS])
    labels, label_splits, cut_labels = wire.varints(buffer, theirs[CLASSES])
    sizes = np.stack([np.diff(splits), np.diff(label_splits), theirs[SCORES].lengths // 4])
    wrong = (sizes != sizes[0]).any(axis=0)
    wrong[[*cut_starts, *cut_labels]] = True
    for row in np.flatnonzero(wrong).tolist():
        found[int(videos.records[row])] = (
            f"expected as many of {', '.join(KEYS)}, but got {', '.join(map(str, sizes[:, row]))}."
        )
    for key, kind in KINDS.items():
        kinds = theirs[key].kinds
        for row in np.flatnonzero((kinds != kind) & (kinds != 0)).tolist():
            wrong[row] = True
            found[int(videos.records[row])] = (
                f"expected as many of {', '.join(KEYS)}, but `{key}` holds "
                f"{wire.KINDS[int(kinds[row])]} for {wire.KINDS[kind]}."
            )
    ratings = _Ratings(
        video=np.repeat(np.arange(len(wrong)), np.where(wrong, 0, sizes[0])),
        start=starts[np.repeat(~wrong, sizes[0])],
        label=labels[np.repeat(~wrong, sizes[1])],
        score=_scores(buffer, theirs[SCORES], np.where(wrong, 0, sizes[2])),
    )
    _check(ratings, videos, classes, found)
    bad = np.isin(videos.records, list(found))
    return _grouped(ratings.select(~bad[ratings.video]), videos)


class _Ratings(NamedTuple):
    """All rated pairs of a shard, one after another, (P,) each."""

    video: np.ndarray
    start: np.ndarray
    label: np.ndarray
    score: np.ndarray

    def select(self, pairs: np.ndarray) -> "_Ratings":
        return _Ratings(*(column[pairs] for column in self))


def _scores(buffer: np.ndarray, field: wire.Field, counts: np.ndarray) -> np.ndarray:
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.repeat(field.starts, counts) + 4 * place
    return buffer[starts[:, None] + np.arange(4)].view("<f4")[:, 0]


def _check(ratings: _Ratings, videos: Videos, classes: int, found: dict[int, str]) -> None:
    frames = np.asarray(videos.frames)[ratings.video]
    known = (ratings.label >= 0) & (ratings.label < classes)
    inside = (ratings.start >= 0) & (ratings.start < frames)
    for pair in np.flatnonzero(~(known & inside)).tolist():
        record = int(videos.records[ratings.video[pair]])
        if not known[pair]:
            got = f"expected segment_labels in [0, {classes}), but got {ratings.label[pair]}."
        else:
            got = (
                f"expected segments to start within the video's {frames[pair]} frames, but got "
                f"{ratings.start[pair]}."
            )
        found.setdefault(record, got)


def _grouped(ratings: _Ratings, videos: Videos) -> Videos:
    video, start, label, score = ratings.select(
        np.lexsort((-ratings.score, ratings.label, ratings.start, ratings.video))
    )
    fresh = np.ones(len(video), bool)  # a new segment begins here
    fresh[1:] = (video[1:] != video[:-1]) | (start[1:] != start[:-1])
    once = fresh.copy()  # a class rated twice counts as present if it once was
    once[1:] |= label[1:] != label[:-1]
    first = np.flatnonzero(fresh)
    splits = np.concatenate([np.cumsum(once)[first] - 1, [once.sum()]])
    rows, skip = video[first], start[first].astype(np.int64)
    left = np.asarray(videos.frames)[rows] - skip
    ids = np.empty(len(rows), object)
    ids[:] = [b"%b:%d" % pair for pair in zip(videos.ids[rows], skip.tolist(), strict=True)]
    return Videos(
        ids=ids,
        features={
            name: frames.select(rows, skip)
            for name, frames in videos.features.items()
            if isinstance(frames, Frames)
        },
        labels=label[once],
        splits=splits,
        labelled=np.ones(len(rows), bool),
        records=videos.records[rows],
        frames=np.minimum(left, spec.SEGMENT_FRAMES).astype(np.int32),
        most_frames=spec.SEGMENT_FRAMES,
        present=score[once] > 0,
    )

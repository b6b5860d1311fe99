"""Serialized records to arrays, and what is wrong with those that are bad.

A record is a `tf.Example` at video level, a `tf.SequenceExample` at frame level.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from yt8m_exp import spec
from yt8m_exp.data import ids, segments
from yt8m_exp.data.tfrecords import sequences, wire
from yt8m_exp.data.tfrecords.sequences import Rows
from yt8m_exp.data.tfrecords.tfrecord import Problem, Spans
from yt8m_exp.data.videos import Frames, Videos
from yt8m_exp.spec import InputError

LEVELS = ("video", "frame", "segment")


@dataclass(frozen=True)
class Schema:
    """What a record must hold.

    Args:
        features: the size of each feature by name; may be any subset of what the records hold.
        classes: class ids lie in [0, classes).
        level: `video`: features are floats; `frame`: bytes, a row a frame; `segment`: the same,
            and each rated segment of a record is taken by itself.
        max_frames: frames of a video behind so many are left out.

    Raises:
        InputError: the level is none of these.
    """

    features: Mapping[str, int]
    classes: int
    level: Literal["video", "frame", "segment"] = "video"
    max_frames: int = spec.MAX_FRAMES

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise InputError(f"`level` must be video, frame or segment, but got {self.level!r}.")
        if self.max_frames < 1:
            raise InputError(f"`max_frames >= 1` must hold, but got {self.max_frames}.")


def decode(buffer: np.ndarray, spans: Spans, schema: Schema) -> tuple[Videos, list[Problem]]:
    """Decodes the records of a shard, or of several.

    Args:
        buffer: the bytes, uint8, with `wire.PADDING` to spare behind the last record.
        spans: where its N records lie.
        schema: what they must hold.

    Returns:
        The rows of the records that hold what they must, in order, and what is wrong with each of
        the others.
    """
    buffer, fields = wire.fields(buffer, spans, _names(schema))
    found: dict[int, str] = {}
    lists: dict[str, Rows] = {}
    if schema.level == "video":
        _check_floats(fields, schema, found)
    else:
        buffer, lists = sequences.rows(buffer, spans, schema.features)
        _check_rows(lists, schema, found)
    labels, splits = _labels(buffer, fields["labels"], schema, found)
    _check_ids(buffer, spans, fields, found)
    keep = np.ones(len(spans.starts), bool)
    keep[list(found)] = False
    videos = Videos(
        ids=_ids(buffer, fields, keep),
        features=_frames(buffer, lists, schema, keep)
        if lists
        else _floats(buffer, fields, schema, keep),
        labels=labels[np.repeat(keep, np.diff(splits))],
        splits=np.concatenate([[0], np.cumsum(np.diff(splits)[keep])]),
        labelled=fields["labels"].kinds[keep] == wire.INTEGERS,
        records=np.flatnonzero(keep),
        frames=_counts(lists, schema, keep) if lists else None,
        most_frames=schema.max_frames,
    )
    if schema.level == "segment":
        videos = segments.cut(videos, buffer, fields, classes=schema.classes, found=found)
    return videos, [Problem(row, text) for row, text in sorted(found.items())]


def _names(schema: Schema) -> list[str]:
    extra = {"video": list(schema.features), "frame": [], "segment": list(segments.KEYS)}
    return [*ids.ID_KEYS, "labels", *extra[schema.level]]


def _floats(
    buffer: np.ndarray, fields: Mapping[str, wire.Field], schema: Schema, keep: np.ndarray
) -> dict[str, np.ndarray | Frames]:
    values: dict[str, np.ndarray | Frames] = {}
    for name, size in schema.features.items():
        starts = fields[name].starts[keep]
        values[name] = np.empty((0, size), np.float32)
        if starts.size:
            windows = np.lib.stride_tricks.sliding_window_view(buffer, 4 * size)
            values[name] = windows[starts].view("<f4")  # (N, D)
    return values


def _frames(
    buffer: np.ndarray, lists: Mapping[str, Rows], schema: Schema, keep: np.ndarray
) -> dict[str, np.ndarray | Frames]:
    return {
        name: Frames(buffer, rows.starts[keep], rows.strides[keep], schema.features[name])
        for name, rows in lists.items()
    }


def _counts(lists: Mapping[str, Rows], schema: Schema, keep: np.ndarray) -> np.ndarray:
    counts = next(iter(lists.values())).counts[keep]  # `_check_rows` lets equal ones pass only
    return np.minimum(counts, schema.max_frames).astype(np.int32)


def _ids(buffer: np.ndarray, fields: Mapping[str, wire.Field], keep: np.ndarray) -> np.ndarray:
    field = _id_field(fields)
    starts = field.starts[keep]
    ends = starts + field.lengths[keep]
    view = buffer.data
    videos = np.empty(len(starts), object)
    videos[:] = [bytes(view[a:b]) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    return videos


def _labels(
    buffer: np.ndarray, field: wire.Field, schema: Schema, found: dict[int, str]
) -> tuple[np.ndarray, np.ndarray]:
    labels, splits, cut = wire.varints(buffer, field)
    for position in np.flatnonzero((labels < 0) | (labels >= schema.classes)).tolist():
        record = int(np.searchsorted(splits, position, side="right") - 1)
        found.setdefault(record, label_problem(int(labels[position]), schema.classes))
    for row in np.flatnonzero((field.kinds != wire.INTEGERS) & (field.kinds != 0)).tolist():
        got = wire.KINDS[int(field.kinds[row])]
        found.setdefault(row, f"expected `labels` to be a list of integers, but got {got}.")
    for row in cut.tolist():
        found.setdefault(row, "its `labels` end in the middle of a number.")
    return labels, splits


def _id_field(fields: Mapping[str, wire.Field]) -> wire.Field:
    """Returns where each record has its id: under the new key, or else under the old one."""
    new, old = (fields[key] for key in ids.ID_KEYS)
    is_new = new.kinds == wire.BYTES
    return wire.Field(*(np.where(is_new, a, b) for a, b in zip(new, old, strict=True)))


def _check_ids(
    buffer: np.ndarray, spans: Spans, fields: Mapping[str, wire.Field], found: dict[int, str]
) -> None:
    field = _id_field(fields)
    for row in np.flatnonzero((field.kinds != wire.BYTES) | (field.lengths == 0)).tolist():
        start = spans.starts[row]
        problem = ids.missing(buffer[start : start + spans.lengths[row]].tobytes())
        if problem:  # none where the id is an empty string
            found.setdefault(row, problem)


def _check_floats(fields: Mapping[str, wire.Field], schema: Schema, found: dict[int, str]) -> None:
    for name, size in schema.features.items():
        field = fields[name]
        wrong = (field.kinds != wire.FLOATS) | (field.lengths != 4 * size)
        for row in np.flatnonzero(wrong).tolist():
            if field.kinds[row] == 0:
                got = f"but it has no `{name}`"
            elif field.kinds[row] != wire.FLOATS:
                got = "but got another type"
            else:
                got = f"but got {field.lengths[row] // 4}"
            found.setdefault(
                row, f"expected `{name}` of {size} floats, {got}. Is this a video-level shard?"
            )


def _check_rows(lists: Mapping[str, Rows], schema: Schema, found: dict[int, str]) -> None:
    for name, size in schema.features.items():
        rows = lists[name]
        wrong = (rows.kinds != wire.BYTES) | ((rows.sizes != size) & (rows.counts > 0))
        for row in np.flatnonzero(wrong).tolist():
            if rows.kinds[row] == 0:
                got = f"but it has no list `{name}` of single strings"
            elif rows.kinds[row] != wire.BYTES:
                got = "but got numbers"
            else:
                got = f"but got {rows.sizes[row]}"
            found.setdefault(
                row, f"expected `{name}` rows of {size} bytes, {got}. Is this a frame-level shard?"
            )
    (first, of_first), *others = lists.items()
    for name, rows in others:
        for row in np.flatnonzero(rows.counts != of_first.counts).tolist():
            found.setdefault(
                row,
                f"expected as many frames of every feature, but got {of_first.counts[row]} of "
                f"`{first}` and {rows.counts[row]} of `{name}`.",
            )


def label_problem(label: int, classes: int) -> str:
    """Says what is wrong with a class id."""
    value = "a label beyond 31 bits or negative" if label < 0 else f"label {label}"
    return f"expected labels in [0, {classes}), but got {value}. Are they of another release?"

"""Serialized `tf.Example` records to arrays, and what is wrong with those that are bad."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from yt8m_exp.data import wire
from yt8m_exp.data.tfrecord import Frames, Problem

ID_KEYS = ("id", "video_id")  # since 2018, and before


@dataclass(frozen=True)
class Schema:
    """What a record must hold.

    Args:
        features: the size of each feature by name; may be any subset of what the records hold.
        classes: class ids lie in [0, classes).
    """

    features: Mapping[str, int]
    classes: int


class Videos(NamedTuple):
    """Decoded records: a row a video.

    Attributes:
        ids: bytes objects (N,).
        features: float32 (N, D) by name.
        labels: class ids, int32, of all videos one after another.
        splits: video n has `labels[splits[n]:splits[n + 1]]`; int64 (N + 1,).
        labelled: whether each record has the key `labels` at all, bool (N,).
    """

    ids: np.ndarray
    features: dict[str, np.ndarray]
    labels: np.ndarray
    splits: np.ndarray
    labelled: np.ndarray


def decode(buffer: np.ndarray, frames: Frames, schema: Schema) -> tuple[Videos, list[Problem]]:
    """Decodes the records of a shard, or of several.

    Args:
        buffer: the bytes, uint8, with `wire.PADDING` to spare behind the last record.
        frames: where its N records lie.
        schema: what they must hold.

    Returns:
        The records that hold what they must, in order, and what is wrong with each of the others.
    """
    names = (*ID_KEYS, "labels", *schema.features)
    buffer, fields = wire.fields(buffer, frames, names)
    labels, splits, bad_varints = wire.varints(buffer, fields["labels"])
    problems = _problems(fields, labels, splits, bad_varints, schema)
    keep = np.ones(len(frames.starts), bool)
    keep[[problem.record for problem in problems]] = False
    videos = Videos(
        ids=_ids(buffer, fields, keep),
        features={
            name: _rows(buffer, fields[name].starts[keep], size)
            for name, size in schema.features.items()
        },
        labels=labels[np.repeat(keep, np.diff(splits))],
        splits=np.concatenate([[0], np.cumsum(np.diff(splits)[keep])]),
        labelled=fields["labels"].kinds[keep] == wire.INTEGERS,
    )
    return videos, problems


def _rows(buffer: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    if not starts.size:
        return np.empty((0, size), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(buffer, 4 * size)
    return windows[starts].view("<f4")  # (N, D)


def _ids(buffer: np.ndarray, fields: Mapping[str, wire.Field], keep: np.ndarray) -> np.ndarray:
    new, old = (fields[key] for key in ID_KEYS)
    is_new = new.kinds == wire.BYTES
    starts = np.where(is_new, new.starts, old.starts)[keep]
    ends = starts + np.where(is_new, new.lengths, old.lengths)[keep]
    view = buffer.data
    ids = np.empty(len(starts), object)
    ids[:] = [bytes(view[a:b]) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    return ids


def _problems(
    fields: Mapping[str, wire.Field],
    labels: np.ndarray,
    splits: np.ndarray,
    cut: np.ndarray,
    schema: Schema,
) -> list[Problem]:
    found: dict[int, str] = {}
    without_id = np.logical_and(*(fields[key].kinds != wire.BYTES for key in ID_KEYS))
    for name, size in schema.features.items():
        field = fields[name]
        for row in np.flatnonzero(
            (field.kinds != wire.FLOATS) | (field.lengths != 4 * size)
        ).tolist():
            found.setdefault(row, _feature_problem(name, size, field, row))
    out_of_range = np.flatnonzero((labels < 0) | (labels >= schema.classes))
    for position in out_of_range.tolist():
        record = int(np.searchsorted(splits, position, side="right") - 1)
        found.setdefault(record, _label_problem(int(labels[position]), schema.classes))
    typed = fields["labels"].kinds
    for row in np.flatnonzero((typed != wire.INTEGERS) & (typed != 0)).tolist():
        found.setdefault(row, "expected `labels` to be a list of integers.")
    for row in cut.tolist():
        found.setdefault(row, "its `labels` end in the middle of a number.")
    for row in np.flatnonzero(without_id).tolist():
        found.setdefault(row, f"expected one of the keys {', '.join(ID_KEYS)}.")
    return [Problem(row, text) for row, text in sorted(found.items())]


def _feature_problem(name: str, size: int, field: wire.Field, row: int) -> str:
    if field.kinds[row] == 0:
        got = f"but it has no `{name}`"
    elif field.kinds[row] != wire.FLOATS:
        got = "but got another type"
    else:
        got = f"but got {field.lengths[row] // 4}"
    return f"expected `{name}` of {size} floats, {got}. Is this a video-level shard?"


def _label_problem(label: int, classes: int) -> str:
    value = "a label beyond 31 bits or negative" if label < 0 else f"label {label}"
    return f"expected labels in [0, {classes}), but got {value}. Set data.classes to the release's."

"""The feature lists of `tf.SequenceExample`, found for all records of a shard in step.

TensorFlow writes a list of byte strings of one length as rows at equal distances: where the first
row lies, how many follow, and how far apart, says where every frame of a video is. Nothing is
copied. A record that is laid out otherwise goes through the protobuf library instead.
Source: https://protobuf.dev/programming-guides/encoding and tensorflow/core/example/example.proto.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from yt8m_exp.data.tfrecords import wire
from yt8m_exp.data.tfrecords.tfrecord import Spans


class Rows(NamedTuple):
    """Where each record holds one feature list: `counts` rows of `sizes` bytes, int64 (N,) each.

    Attributes:
        kinds: `wire.BYTES`, another kind, or 0 where a record has no such list.
        starts: where the bytes of the first row begin.
        counts: how many rows.
        sizes: bytes of a row.
        strides: from one row to the next.
    """

    kinds: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    sizes: np.ndarray
    strides: np.ndarray


def rows(
    buffer: np.ndarray, spans: Spans, sizes: Mapping[str, int]
) -> tuple[np.ndarray, dict[str, Rows]]:
    """Finds named feature lists in serialized SequenceExamples.

    Args:
        buffer: the bytes, uint8, with `wire.PADDING` to spare behind the last record.
        spans: where the N records lie.
        sizes: the bytes that a row of each list should have. A record whose rows differ is found
            with one row alone, one that is not of this size.

    Returns:
        A buffer, the one given or a longer one that begins with it, and where in it each record
        holds each list.
    """
    found, irregular = _walk(buffer, spans, sizes)
    if irregular.any():
        records = np.flatnonzero(irregular)
        buffer, plain = wire.rewritten(buffer, spans, records, lambda r: _plain(r, sizes))
        again, _ = _walk(buffer, plain, sizes)
        for name, field in found.items():
            for old, new in zip(field, again[name], strict=True):
                old[records] = new
    return buffer, found


def _walk(
    buffer: np.ndarray, spans: Spans, sizes: Mapping[str, int]
) -> tuple[dict[str, Rows], np.ndarray]:
    words = wire.as_words(buffer)
    ends = spans.starts + spans.lengths
    found = {name: Rows(*np.zeros((5, len(ends)), np.int64)) for name in sizes}
    _, context_ends, regular = wire.enter(words, spans.starts, ends, wire.LENGTH_DELIMITED)
    cursor, lists_ends, has_lists = wire.enter(words, context_ends, ends, wire.VALUE)
    regular &= (context_ends == ends) | (has_lists & (lists_ends == ends))
    active = np.flatnonzero(regular & has_lists & (cursor < lists_ends))
    for _ in range(wire.MOST_FIELDS):
        if not active.size:
            break
        step = _Entry(words, cursor[active], lists_ends[active])
        ok = step.ok
        for name, field in found.items():
            hit = np.flatnonzero(ok & wire.named(words, step.key, step.key_lengths, name.encode()))
            records = active[hit]
            ok[hit] &= (field.kinds[records] == 0) & step.even(buffer, hit)
            for column, values in zip(field, step.rows, strict=True):
                column[records] = values[hit]
        regular[active[~ok]] = False
        cursor[active] = step.ends
        active = active[ok & (step.ends < lists_ends[active])]
    regular[active] = False
    return found, ~regular


class _Entry:
    """The next entry of each record's map of feature lists, read from its key and first row."""

    def __init__(self, words: np.ndarray, cursor: np.ndarray, ends: np.ndarray) -> None:
        tag = wire.LENGTH_DELIMITED
        entry, self.ends, ok = wire.enter(words, cursor, ends, tag)
        self.key, key_ends, key_ok = wire.enter(words, entry, self.ends, tag)
        self.key_lengths = key_ends - self.key
        self.first, value_ends, value_ok = wire.enter(words, key_ends, self.ends, wire.VALUE)
        feature, row_ends, row_ok = wire.enter(words, self.first, value_ends, tag)
        kinds = words[np.minimum(feature, len(words) - 1)] & 0xFF
        strings, strings_ends, strings_ok = wire.enter(words, feature, row_ends, kinds)
        self.start, string_ends, string_ok = wire.enter(words, strings, strings_ends, tag)
        whole = row_ok & strings_ok & string_ok & (strings_ends == row_ends)
        empty = self.first == value_ends
        strides = np.where(empty, 1, row_ends - self.first)
        length = value_ends - self.first
        even = whole & (string_ends == row_ends) & (length % np.maximum(strides, 1) == 0)
        self.ok = ok & key_ok & value_ok & (value_ends == self.ends)
        self.ok &= empty | (row_ok & strings_ok & (kinds != wire.BYTES)) | even
        self.rows = Rows(
            kinds=np.where(empty, wire.BYTES, kinds),
            starts=self.start,
            counts=np.where(empty, 0, length // np.maximum(strides, 1)),
            sizes=np.where(empty, 0, string_ends - self.start),
            strides=strides,
        )

    def even(self, buffer: np.ndarray, hit: np.ndarray) -> np.ndarray:
        """Tells of which lists all rows begin as the first does."""
        # Imported here: Numba takes a second to load, and only frames need it.
        from yt8m_exp.data.tfrecords import compiled

        kinds, starts, counts, _, strides = (column[hit] for column in self.rows)
        first = self.first[hit]
        counts = np.where(kinds == wire.BYTES, counts, 0)
        return compiled.even(buffer, first, starts - first, counts, strides)


def _plain(record: bytes, sizes: Mapping[str, int]) -> bytes:
    """Returns the named lists alone; of one whose rows differ, a row that is not as it should."""
    # Imported here: only an irregular record needs it.
    from yt8m_exp.data.tfrecords.messages import DecodeError, SequenceExample

    try:
        lists = SequenceExample.FromString(record).feature_lists.feature_list
    except DecodeError:
        return b""
    kept = SequenceExample()
    kept.context.SetInParent()
    for name in sizes:
        if name in lists:
            rows = list(lists[name].feature)
            wrong = [row for row in rows if not _is_row(row, sizes[name])]
            strings = [row.bytes_list.value[0] for row in rows if _is_string(row)]
            even = len(strings) == len(rows) and len(set(map(len, strings))) < 2
            kept.feature_lists.feature_list[name].feature.extend(rows if even else wrong[:1])
    kept.DiscardUnknownFields()
    return kept.SerializeToString()


def _is_string(row) -> bool:  # type: ignore[no-untyped-def]
    return row.WhichOneof("kind") == "bytes_list" and len(row.bytes_list.value) == 1


def _is_row(row, size: int) -> bool:  # type: ignore[no-untyped-def]
    return _is_string(row) and len(row.bytes_list.value[0]) == size

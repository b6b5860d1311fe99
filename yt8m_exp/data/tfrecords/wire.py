"""The protobuf wire format of `tf.Example`: where each record of a shard holds its features.

A record that is valid protobuf but not laid out as TensorFlow writes it goes through the protobuf
library instead.
Source: https://protobuf.dev/programming-guides/encoding and tensorflow/core/example/example.proto.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from yt8m_exp.data.tfrecords.tfrecord import Spans

BYTES, FLOATS, INTEGERS = 0x0A, 0x12, 0x1A  # tags of the three kinds of Feature
KINDS = {BYTES: "strings", FLOATS: "floats", INTEGERS: "integers"}
LENGTH_DELIMITED = 0x0A  # tag of field 1
VALUE = 0x12  # tag of field 2
MOST_FIELDS = 16
MOST_LENGTH_BYTES = 4
PADDING = 16  # fields are read in words of eight bytes, also at the end


class Field(NamedTuple):
    """Where each record holds one feature's payload; kind 0 where it does not.

    The payload of several strings is empty, as that of none.
    """

    kinds: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


def fields(
    buffer: np.ndarray, spans: Spans, names: Sequence[str]
) -> tuple[np.ndarray, dict[str, Field]]:
    """Finds named features in serialized Examples.

    Args:
        buffer: the bytes, uint8, with `PADDING` to spare behind the last record.
        spans: where the N records lie.
        names: the features' names.

    Returns:
        A buffer, and where in it each record holds each feature. The buffer is the one given, or a
        longer one that begins with it.
    """
    found, irregular = _walk(buffer, spans, names)
    if irregular.any():
        rows = np.flatnonzero(irregular)
        buffer, plain = rewritten(buffer, spans, rows, lambda record: _plain(record, names))
        again, _ = _walk(buffer, plain, names)
        for name, field in found.items():
            for old, new in zip(field, again[name], strict=True):
                old[rows] = new
    return buffer, found


def varints(buffer: np.ndarray, field: Field) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decodes packed class ids: the ids, splits by record, and the records cut inside an id."""
    lengths = np.where(field.kinds == INTEGERS, field.lengths, 0)
    record = np.repeat(np.arange(len(lengths)), lengths)
    offset = np.arange(len(record)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    byte = buffer[field.starts[record] + offset].astype(np.int64)
    last = byte < 0x80
    cut = np.zeros(len(lengths), bool)
    nonempty = np.flatnonzero(lengths)
    cut[nonempty] = ~last[np.cumsum(lengths)[nonempty] - 1]
    last[np.cumsum(lengths)[nonempty] - 1] = True
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    place = np.arange(len(byte)) - np.repeat(starts, ends - starts + 1)
    # Ten bytes hold a negative id; what lies beyond 31 bits is out of range, whatever it is.
    digits = byte & 0x7F
    parts = np.where(place < 5, digits << (7 * np.minimum(place, 4)), (digits > 0) * (1 << 40))
    ids = np.add.reduceat(parts, starts) if ends.size else parts
    ids = np.where(ids >> 31 != 0, -1, ids).astype(np.int32)
    splits = np.concatenate([[0], np.cumsum(np.bincount(record[ends], minlength=len(lengths)))])
    return ids, splits, np.flatnonzero(cut)


def _walk(
    buffer: np.ndarray, spans: Spans, names: Sequence[str]
) -> tuple[dict[str, Field], np.ndarray]:
    # Imported here: Numba takes a second to load, and `find` answers without it.
    from yt8m_exp.data.tfrecords import walking

    records = len(spans.starts)
    found = np.zeros((3, len(names), records), np.int64)
    irregular = np.empty(records, bool)
    kinds, places, sizes = found
    names_as_bytes = walking.packed(names)
    walking.walk(buffer, *spans, *names_as_bytes, kinds, places, sizes, irregular)
    fields = {name: Field(*found[:, place]) for place, name in enumerate(names)}
    return fields, irregular


def as_words(buffer: np.ndarray) -> np.ndarray:
    """Views a buffer as words of eight bytes, one from every byte on."""
    return np.ndarray(max(len(buffer) - 7, 0), "<i8", buffer, strides=(1,))


def enter(
    words: np.ndarray, cursor: np.ndarray, ends: np.ndarray, tag: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Enters the length-delimited field at each cursor: its start, its end, and whether it fits."""
    word = words[np.minimum(cursor, len(words) - 1)]
    ok = (cursor < ends) & (word & 0xFF == tag)
    length = (word >> 8) & 0x7F
    size = np.ones(len(cursor), np.int64)
    more = word & 0x8000 != 0
    for byte in range(1, MOST_LENGTH_BYTES):
        if not more.any():
            break
        shift = 8 * (byte + 1)
        length |= np.where(more, ((word >> shift) & 0x7F) << (7 * byte), 0)
        size += more
        more &= (word >> shift) & 0x80 != 0
    start = cursor + 1 + size
    stop = start + length
    return start, stop, ok & ~more & (stop <= ends)


def named(words: np.ndarray, starts: np.ndarray, lengths: np.ndarray, name: bytes) -> np.ndarray:
    """Tells where a key is `name`, comparing eight bytes at a time."""
    same = lengths == len(name)
    for offset in range(0, len(name), 8):
        part = name[offset : offset + 8]
        mask = (1 << 8 * len(part)) - 1
        found = words[np.minimum(starts + offset, len(words) - 1)] & np.int64(_signed(mask))
        same &= found == _signed(int.from_bytes(part, "little"))
    return same


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def rewritten(
    buffer: np.ndarray, spans: Spans, records: np.ndarray, plain: Callable[[bytes], bytes]
) -> tuple[np.ndarray, Spans]:
    """Puts a plainer form of some records behind a buffer.

    Args:
        buffer: the bytes, uint8.
        spans: where the N records lie.
        records: which of them.
        plain: turns a record into its plainer form.

    Returns:
        The longer buffer, with `PADDING` to spare, and where the new records lie in it.
    """
    extra = [plain(buffer[a : a + n].tobytes()) for a, n in np.stack(spans, axis=1)[records]]
    lengths = np.array([len(record) for record in extra], np.int64)
    starts = len(buffer) + np.cumsum(lengths) - lengths
    spare = np.zeros(PADDING, np.uint8)
    grown = np.concatenate([buffer, np.frombuffer(b"".join(extra), np.uint8), spare])
    return grown, Spans(starts, lengths)


def _plain(record: bytes, names: Sequence[str]) -> bytes:
    """Returns an Example of the named features alone; one without features if it is no Example.

    Several strings, which no feature may hold, become a list of none.
    """
    # Imported here: only an irregular record needs it.
    from yt8m_exp.data.tfrecords.messages import DecodeError, Example

    try:
        found = Example.FromString(record).features.feature
    except DecodeError:
        return b""
    kept = Example()
    for name in names:
        # Of several strings, or of no kind, a feature would make the record irregular again.
        if name in found and found[name].WhichOneof("kind"):
            feature = kept.features.feature[name]
            feature.CopyFrom(found[name])
            if len(feature.bytes_list.value) > 1:
                del feature.bytes_list.value[:]
    return kept.SerializeToString()

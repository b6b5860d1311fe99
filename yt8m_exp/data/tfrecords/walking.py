"""The walk over serialized Examples, compiled by Numba; see `wire.fields`."""

from collections.abc import Sequence

import numba
import numpy as np

from yt8m_exp.data.tfrecords.warming import Call

_BYTES, _FLOATS, _INTEGERS = 0x0A, 0x12, 0x1A
_FIELD, _VALUE = 0x0A, 0x12
_MOST_FIELDS, _MOST_LENGTH_BYTES = 16, 4

_compiled = numba.njit(nogil=True, cache=True)


def packed(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns names as a row of bytes each, uint8 (F, longest), and their lengths, (F,)."""
    words = [name.encode() for name in names]
    longest = max(map(len, words))
    table = np.array([list(word.ljust(longest, b"\0")) for word in words], np.uint8)
    return table, np.array(list(map(len, words)))


@_compiled
def walk(  # type: ignore[no-untyped-def]
    buffer, starts, lengths, names, name_lengths, kinds, places, sizes, irregular
):
    """Finds the payloads of named features in each record.

    Args:
        buffer: the bytes, uint8, with `wire.PADDING` to spare.
        starts: where the N records begin.
        lengths: how long they are.
        names: of the F features; see `packed`.
        name_lengths: how long these are.
        kinds: takes the kind of each feature, (F, N), which holds zeros.
        places: takes where its payload begins.
        sizes: takes how long that is.
        irregular: takes whether a record is not laid out as TensorFlow writes it, (N,).
    """
    for n in range(len(starts)):
        end = starts[n] + lengths[n]
        cursor, body_end, ok = _enter(buffer, starts[n], end, _FIELD)
        if ok and body_end < end:  # a SequenceExample: its feature lists are an unknown field
            _, lists_end, ok = _enter(buffer, body_end, end, _VALUE)
            ok &= lists_end == end
        for _ in range(_MOST_FIELDS):
            if not ok or cursor == body_end:
                break
            cursor, ok = _entry(
                buffer,
                cursor,
                body_end,
                names,
                name_lengths,
                kinds[:, n],
                places[:, n],
                sizes[:, n],
            )
        irregular[n] = not (ok and cursor == body_end) and lengths[n] > 0


@_compiled
def _entry(buffer, cursor, end, names, name_lengths, kinds, places, sizes):  # type: ignore[no-untyped-def]
    """Reads an entry of the map of features; returns its end, and whether it is regular."""
    entry, entry_end, ok = _enter(buffer, cursor, end, _FIELD)
    if not ok:
        return cursor, False
    key, key_end, ok = _enter(buffer, entry, entry_end, _FIELD)
    if not ok:
        return cursor, False
    value, value_end, ok = _enter(buffer, key_end, entry_end, _VALUE)
    if not ok or value_end != entry_end:
        return cursor, False
    kind = buffer[value]
    if kind != _BYTES and kind != _FLOATS and kind != _INTEGERS:
        return cursor, False
    items, items_end, ok = _enter(buffer, value, value_end, kind)
    if not ok or items_end != value_end:
        return cursor, False
    payload, payload_end = items, items
    if items < items_end:
        payload, payload_end, ok = _enter(buffer, items, items_end, _FIELD)
        if not ok or payload_end != items_end:
            return cursor, False
    for f in range(len(names)):
        if _same(buffer, key, key_end, names[f], name_lengths[f]):
            if kinds[f] != 0:  # a second time: the protobuf library decides
                return cursor, False
            kinds[f], places[f], sizes[f] = kind, payload, payload_end - payload
    return entry_end, True


@_compiled
def _enter(buffer, cursor, end, tag):  # type: ignore[no-untyped-def]
    """Enters the length-delimited field at a cursor: its start, its end, and whether it fits."""
    if cursor >= end or buffer[cursor] != tag:
        return cursor, cursor, False
    length = np.int64(0)
    for place in range(_MOST_LENGTH_BYTES):
        byte = np.int64(buffer[cursor + 1 + place])
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            start = cursor + 2 + place
            return start, start + length, start + length <= end
    return cursor, cursor, False


@_compiled
def _same(buffer, start, end, name, length):  # type: ignore[no-untyped-def]
    if end - start != length:
        return False
    for place in range(length):  # noqa: SIM110 (Numba compiles no generator)
        if buffer[start + place] != name[place]:
            return False
    return True


def calls() -> list[Call]:
    """Returns calls of the walk as readers of shards make them; see `warming`."""
    none, irregular = np.zeros(0, np.int64), np.zeros(0, np.bool_)
    rest = (none, none, *packed(["id"]), *np.zeros((3, 1, 0), np.int64), irregular)
    checked = np.frombuffer(bytes(1), np.uint8)  # a shard that is checked cannot be written to
    return [(walk, (buffer, *rest)) for buffer in (checked, np.zeros(1, np.uint8))]

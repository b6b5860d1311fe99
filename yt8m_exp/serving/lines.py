"""Writes lines of predictions as bytes, in a loop that Numba compiles on first use and then caches.

Python's own formatting takes ten times as long, and all other threads wait for it.
"""

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from yt8m_exp.data.tfrecords.warming import Call

LEAST = 1e-16
"""Scores from here to 1, and zero, are written exactly as `%g` writes them.

A float32 has 24 significant bits, and the odd part of 10**12 has 28. Down to 1e-7, their product is
therefore exact in a float64, and so are the rounded digits. Below 1e-7, the power of ten is exact
up to 10**22, and the product is off by at most 2**-53 of itself. If that could change a digit, no
line is written.
"""
_EXACT = 12
_TENS = np.array([float(f"1e{power}") for power in range(23)])
_UNSURE = 1e-9
_DIGITS = 6
_ROOM = 23  # bytes of a pair: a separator and 10 for the class, a separator and 11 for the score


def lines(ids: Sequence[bytes], class_ids: NDArray, scores: NDArray) -> bytes | None:
    """Returns `id,class score class score ...` and an end of line for each video.

    Args:
        ids: B names, written as they are.
        class_ids: integers (B, K).
        scores: (B, K).

    Returns:
        The lines; None if this loop cannot write them exactly: scores are not float32, a score is
        neither zero nor in [`LEAST`, 1], its rounding is unsure, or a class is negative or too
        large for int32.
    """
    if (
        scores.dtype != np.float32
        or not (((scores >= LEAST) & (scores <= 1)) | (scores == 0)).all()
    ):
        return None
    if ((class_ids < 0) | (class_ids > np.iinfo(np.int32).max)).any():
        return None
    names = np.frombuffer(b"".join(ids), np.uint8)
    ends = np.cumsum([len(name) for name in ids], dtype=np.int64)
    out = np.empty(len(names) + 2 * len(ids) + scores.size * _ROOM, np.uint8)
    pairs = np.ascontiguousarray(class_ids, np.int64), np.ascontiguousarray(scores)
    written = _write(out, names, ends, *pairs)
    return out[:written].tobytes() if written >= 0 else None


@numba.njit(nogil=True, cache=True)
def _write(out, names, ends, class_ids, scores):  # type: ignore[no-untyped-def]
    at = read = 0
    for row in range(len(ends)):
        size = ends[row] - read
        out[at : at + size] = names[read : ends[row]]
        at, read = at + size, ends[row]
        out[at] = ord(",")
        at += 1
        for column in range(scores.shape[1]):
            if column:
                out[at] = ord(" ")
                at += 1
            at = _integer(out, at, class_ids[row, column])
            out[at] = ord(" ")
            at = _score(out, at + 1, np.float64(scores[row, column]))
            if at < 0:
                return -1
        out[at] = ord("\n")
        at += 1
    return at


@numba.njit(nogil=True, cache=True)
def _integer(out, at, value):  # type: ignore[no-untyped-def]
    digits = 1
    while value >= 10**digits:
        digits += 1
    for place in range(digits - 1, -1, -1):
        out[at + place] = ord("0") + value % 10
        value //= 10
    return at + digits


@numba.njit(nogil=True, cache=True)
def _score(out, at, score):  # type: ignore[no-untyped-def]
    """Writes zero or a score from `LEAST` to 1 as `%g` does; returns where it ends, or -1."""
    if score == 0:
        out[at] = ord("0")
        return at + 1
    tens = _DIGITS - 1
    while score * _TENS[tens] < _TENS[_DIGITS - 1]:
        tens += 1
    scaled = score * _TENS[tens]
    if tens > _EXACT and abs(scaled - np.floor(scaled) - 0.5) < _UNSURE:
        return -1
    number = np.int64(np.rint(scaled))
    digits = _DIGITS
    if number == 10**_DIGITS:  # rounded up to one more digit
        number, tens = 10 ** (_DIGITS - 1), tens - 1
    while number % 10 == 0:
        number, digits = number // 10, digits - 1
    behind = tens - (_DIGITS - 1)  # the place of the first digit after the point
    if behind > 4:
        at = _integer(out, at, number // 10 ** (digits - 1))
        if digits > 1:
            out[at] = ord(".")
            at = _padded(out, at + 1, number % 10 ** (digits - 1), digits - 1)
        out[at], out[at + 1] = ord("e"), ord("-")
        return _padded(out, at + 2, behind, 2)
    if behind == 0:
        out[at] = ord("1")
        return at + 1
    out[at], out[at + 1] = ord("0"), ord(".")
    return _padded(out, at + 2, number, behind - 1 + digits)


@numba.njit(nogil=True, cache=True)
def _padded(out, at, number, digits):  # type: ignore[no-untyped-def]
    for place in range(digits - 1, -1, -1):
        out[at + place] = ord("0") + number % 10
        number //= 10
    return at + digits


def calls() -> list[Call]:
    """Returns a call of the loop that writes lines; see `warming`."""
    room, names = np.empty(2 + _ROOM, np.uint8), np.frombuffer(b"v", np.uint8)
    pairs = np.zeros((1, 1), np.int64), np.zeros((1, 1), np.float32)
    return [(_write, (room, names, np.ones(1, np.int64), *pairs))]

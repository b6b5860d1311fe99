"""Ranked lists of segments, one for each class, of bounded length, for any order of the input."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yt8m_exp import spec
from yt8m_exp.spec import InputError

_LOW = np.uint64(2**32 - 1)
_LEAST_ROOM = 4096


class RankedLists:
    """Keeps the best segments of each class.

    An entry is the 64-bit key `score bits << 32 | segment`. A list has room for a quarter more
    entries than it keeps: at most 1 GB for the competition's 1,000 classes of 100,000 segments,
    however many segments are added. The names of all segments need memory beside this. Of equal
    scores, the first name in the alphabet comes first, so no list depends on the input order.

    Args:
        class_ids: The classes that are listed; all others are ignored.
        most: Segments that a list keeps.
    """

    def __init__(self, class_ids: ArrayLike, *, most: int = spec.SEGMENTS_LISTED):
        self.class_ids, self.most = np.unique(np.asarray(class_ids)), most
        if most < 1 or not self.class_ids.size:
            raise InputError(
                "At least one class must be listed and `most >= 1` must hold, but got "
                f"{self.class_ids.size} classes and {most=}."
            )
        self._room = max(most // 4, _LEAST_ROOM)
        self._keys = np.empty((self.class_ids.size, self._room), np.uint64)  # grows
        self._sizes = np.zeros(self.class_ids.size, np.int64)
        self._floors = np.zeros(self.class_ids.size, np.float32)  # lower scores cannot be kept
        self._names = [np.empty(0, "S1")]
        self._segments = 0

    def add(self, names: Sequence[bytes], class_ids: ArrayLike, scores: ArrayLike) -> None:
        """Adds segments that were not added before.

        Args:
            names: Names of the segments, (B,).
            class_ids: Integers (B, K), distinct in each row, or (K,) for all of them.
            scores: float32 (B, K), not negative.

        Raises:
            InputError: The shapes disagree, or a score is negative or NaN.
        """
        scores = np.asarray(scores, np.float32) + np.float32(0)  # + 0 makes a -0.0 positive
        rows = self._rows(np.asarray(class_ids))
        _check(names, rows, scores)
        rows = np.broadcast_to(rows, scores.shape)
        self._names.append(np.array(names, np.bytes_).reshape(len(names)))
        for start in range(0, len(names), self._room):
            part = slice(start, start + self._room)
            self._insert(rows[part], scores[part])

    @property
    def floors(self) -> NDArray:
        """The score of each class below which no list can hold a segment, float32 (C,)."""
        return self._floors

    def lists(self) -> Iterator[tuple[int, NDArray]]:
        """Yields each class that has segments, and their names, best first, bytes (N,)."""
        names, place, order = self._alphabet()
        for row in np.flatnonzero(self._sizes):
            keys = _by_name(self._keys[row, : self._sizes[row]], place)
            keys.sort()
            best = keys[::-1][: self.most]
            yield int(self.class_ids[row]), names[order[_LOW - (best & _LOW)]]

    def _rows(self, class_ids: NDArray) -> NDArray:
        """Returns the row of each class in the keys, -1 for one that is not listed."""
        rows = np.searchsorted(self.class_ids, class_ids)
        found = self.class_ids[np.minimum(rows, self.class_ids.size - 1)] == class_ids
        return np.where(found, rows, -1)

    def _insert(self, rows: NDArray, scores: NDArray) -> None:
        while self._sizes.max() + len(scores) > self._keys.shape[1]:
            self._make_room()
        segment, column = np.nonzero((rows >= 0) & (scores >= self._floors[rows]))
        row = rows[segment, column]
        bits = np.ascontiguousarray(scores[segment, column]).view(np.uint32).astype(np.uint64)
        keys = bits << 32 | (segment + self._segments).astype(np.uint64)
        self._segments += len(scores)
        order = np.argsort(row.astype(np.uint16), kind="stable")  # 16 bits: a radix sort
        added = np.bincount(row, minlength=self._sizes.size)
        within = np.arange(row.size) - np.repeat(np.cumsum(added) - added, added)
        row = row[order]
        self._keys[row, self._sizes[row] + within] = keys[order]
        self._sizes += added

    def _make_room(self) -> None:
        """Makes the lists longer, or cuts them if they already have their full length."""
        length, longest = self._keys.shape[1], self.most + self._room
        if length < longest:
            more = min(length, longest - length)
            self._keys = np.pad(self._keys, ((0, 0), (0, more)))
        else:
            self._cut()

    def _cut(self) -> None:
        """Cuts each list to the best that it keeps."""
        _, place, order = self._alphabet()
        for row in np.flatnonzero(self._sizes > self.most):
            keys = _by_name(self._keys[row, : self._sizes[row]], place)
            keys.partition(keys.size - self.most)
            best = keys[-self.most :]
            self._floors[row] = (best[:1] >> 32).astype(np.uint32).view(np.float32)[0]
            numbers = order[_LOW - (best & _LOW)].astype(np.uint64)
            self._keys[row, : self.most] = best & ~_LOW | numbers
        self._sizes = np.minimum(self._sizes, self.most)

    def _alphabet(self) -> tuple[NDArray, NDArray, NDArray]:
        """Returns the names, the place of each in the alphabet, and the name at each place."""
        self._names = [np.concatenate(self._names)]
        order = np.argsort(self._names[0], kind="stable")
        place = np.empty(order.size, np.uint64)
        place[order] = np.arange(order.size, dtype=np.uint64)
        return self._names[0], place, order


def _by_name(keys: NDArray, place: NDArray) -> NDArray:
    """Returns keys by places of names: of equal scores, the first name has the largest key."""
    return keys & ~_LOW | (_LOW - place[keys & _LOW])


def _check(names: Sequence[bytes], rows: NDArray, scores: NDArray) -> None:
    if scores.ndim != 2 or len(names) != len(scores) or rows.shape[-1:] != scores.shape[1:]:
        raise InputError(
            "Names (B,), class ids (B, K) or (K,) and scores (B, K) must agree, but got "
            f"{len(names)} names and shapes {rows.shape}, {scores.shape}."
        )
    if not (scores >= 0).all():
        wrong = scores[~(scores >= 0)]
        raise InputError(f"Scores must be at least 0, but got {wrong[0]}.")

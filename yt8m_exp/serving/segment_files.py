"""The competition's files of segments: one line for each class, its segments, best first.

    Class,Segments
    <class>,<video>:<start> <video>:<start> ...

A file of ratings has no header: `<video>:<start>,<class>,<score>`, the score above 0 where the
class is present in the segment.

Source: google/youtube-8m, `inference.py` and `segment_eval_inference.py` (`label_cache`).
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yt8m_exp import spec
from yt8m_exp.data import text
from yt8m_exp.data.vocabulary import INDEX
from yt8m_exp.evaluation.lists import RankedLists
from yt8m_exp.evaluation.segments import Ratings
from yt8m_exp.serving.whole_file import WholeFile
from yt8m_exp.spec import InputError

HEADER = ["Class", "Segments"]


class SegmentsWriter:
    """Takes predictions of segments batch by batch, and writes the best of each class at the end.

    A context manager; an interrupted run leaves no partial file. Lines are in the order of class
    ids; a class without segments has no line. See `RankedLists` for ties and memory.

    Args:
        path: The file to write or replace; compressed if it ends in `.gz`.
        class_ids: The classes that are listed.
        most: The most segments that are listed for a class.

    Raises:
        InputError: The file cannot be written; see `WholeFile`.
    """

    def __init__(self, path: str | Path, class_ids: ArrayLike, *, most: int = spec.SEGMENTS_LISTED):
        self.class_ids = np.asarray(class_ids)
        self._whole = WholeFile(path, HEADER)
        self._lists = RankedLists(class_ids, most=most)

    def __enter__(self) -> Self:
        self._lines = self._whole.__enter__()
        return self

    def write(self, ids: Sequence[bytes], class_ids: ArrayLike, scores: ArrayLike) -> None:
        """Adds a batch of segments.

        Args:
            ids: `<video>:<start>`, (B,).
            class_ids: Integers (B, K), distinct in each row, or (K,) for all of them.
            scores: Not negative, (B, K).

        Raises:
            InputError: The shapes disagree, a score is negative or NaN, or an id holds a separator.
        """
        if set(b' ,"\r\n') & set(b"".join(ids)):
            wrong = next(name for name in ids if set(b' ,"\r\n') & set(name))
            raise InputError(
                f"A segment's id must hold no space, comma or quote, but got {wrong!r}."
            )
        self._lists.add(ids, class_ids, scores)

    def __exit__(self, kind: object, *error) -> None:
        if kind is not None:
            self._whole.__exit__(kind, *error)
            return
        with ExitStack() as stack:
            stack.push(self._whole)
            for class_id, names in self._lists.lists():
                self._lines.write(b"%d,%b\n" % (class_id, b" ".join(names.tolist())))


def read_segments(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Reads a file of segments, compressed or not, class by class.

    Yields:
        A class id and its segments, best first.

    Raises:
        InputError: The file does not have the format.
    """
    lines = text.lines(path)
    first = next(lines, "").rstrip("\r\n")
    if first != ",".join(HEADER):
        raise InputError(f"{path}: expected the header {HEADER}, but got {first[:80]!r}.")
    seen: set[int] = set()
    for number, line in enumerate(lines, 2):
        class_id, comma, names = line.partition(",")
        segments = [name for name in names.rstrip("\r\n").split(" ") if name]
        if text.class_id(class_id) is None or not comma or "," in names:
            raise InputError(
                f"{path}, line {number}: expected `class,video:start video:start ...`, but got "
                f"{line[:80]!r}. Is the file of another kind?"
            )
        if int(class_id) in seen:
            raise InputError(
                f"{path}, line {number}: a class must have one list, but class {class_id} has one "
                "before."
            )
        seen.add(int(class_id))
        yield int(class_id), segments


def read_ratings(path: str | Path) -> Ratings:
    """Reads which classes were rated present or absent in which segments; the last rating counts.

    Raises:
        InputError: The file does not have the format.
    """
    ratings: dict[int, dict[str, bool]] = defaultdict(dict)
    for number, line in enumerate(text.lines(path), 1):
        try:
            segment, name, score = line.split(",")
            class_id, value = text.class_id(name), float(score)
            if class_id is None or math.isnan(value):
                raise ValueError
            ratings[class_id][segment] = value > 0
        except ValueError:
            raise InputError(
                f"{path}, line {number}: expected `video:start,class,score`, but got "
                f"{line.rstrip()[:80]!r}."
            ) from None
    return ratings


def read_class_ids(path: str | Path, classes: int) -> NDArray:
    """Reads which classes are listed: the column `Index` of a CSV, int32 (K,), rising.

    Args:
        path: As the dataset's `segment_label_ids.csv` or `segment_vocabulary.csv`, or a vocabulary.
        classes: How many classes there are.

    Raises:
        InputError: There is no such column, no class, or a value in it is not a class id.
    """
    first, *rows = [row for _, row in text.table(path)] or [[]]
    index = text.column(first, INDEX)
    if index is None:
        raise InputError(f"{path}: expected a column `Index`, but got {first}.")
    values = [(row[index : index + 1] or [""])[0] for row in rows]
    for number, value in enumerate(values, 1):
        class_id = text.class_id(value)
        if class_id is None or class_id >= classes:
            raise InputError(
                f"{path}, row {number} below the first line: expected a class id in "
                f"[0, {classes}), but got {value!r}."
            )
    if not values:
        raise InputError(f"{path}: at least one class must be listed, but there is none.")
    return np.unique(np.array(values, np.int32))

"""The competition's predictions file: one line for each video, its best classes and their scores.

    VideoId,LabelConfidencePairs
    <id>,<class> <score> <class> <score> ...

Source: google/youtube-8m, `inference.py`. The lines are equal to its lines, character by character:
classes as `%d`, scores as `%g` (6 significant digits, because fewer would make ties), falling. The
version of 2017 wrote scores as `%f`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yt8m_exp.data import text
from yt8m_exp.serving.lines import lines
from yt8m_exp.serving.whole_file import WholeFile
from yt8m_exp.spec import InputError

HEADER = ["VideoId", "LabelConfidencePairs"]
ScoreFormat = Literal["g", "f"]


class PredictionsWriter:
    """Writes predictions batch by batch; the file appears under its name when it is complete.

    A context manager; an interrupted run leaves no partial file.

    Args:
        path: The file to write or replace; compressed if it ends in `.gz`.
        score_format: `g`, or `f` for six decimals.

    Raises:
        InputError: `score_format` is neither, or the file cannot be written; see `WholeFile`.
    """

    def __init__(self, path: str | Path, *, score_format: ScoreFormat = "g"):
        if score_format not in ("g", "f"):
            raise InputError(f"`score_format` must be g or f, but got {score_format!r}.")
        self._format: ScoreFormat = score_format
        self._whole = WholeFile(path, HEADER)

    def __enter__(self) -> Self:
        self._lines = self._whole.__enter__()
        return self

    def write(self, ids: Sequence[str], class_ids: ArrayLike, scores: ArrayLike) -> None:
        """Adds a batch of videos.

        Args:
            ids: The videos' names, (B,).
            class_ids: Integers (B, K).
            scores: Falling in each row, (B, K).

        Raises:
            InputError: The shapes disagree, or scores rise or are NaN.
        """
        self._lines.write(encoded(ids, class_ids, scores, self._format))

    def write_lines(self, lines: bytes) -> None:
        """Adds lines that `encoded` has made."""
        self._lines.write(lines)

    def __exit__(self, *ending) -> None:
        self._whole.__exit__(*ending)


def encoded(
    ids: Sequence[str], class_ids: ArrayLike, scores: ArrayLike, score_format: ScoreFormat
) -> bytes:
    """Returns the lines of a batch of videos; see `PredictionsWriter.write`."""
    class_ids, scores = np.asarray(class_ids), np.asarray(scores)
    _check_batch(ids, class_ids, scores)
    names = [name.encode() for name in _quoted(ids)]
    written = lines(names, class_ids, scores) if score_format == "g" else None
    return written or _formatted(names, class_ids, scores, score_format)


def read_predictions(path: str | Path) -> Iterator[tuple[str, NDArray, NDArray]]:
    """Reads a predictions file, compressed or not, video by video.

    Yields:
        A video's id, its class ids, int32 (K,), and its scores, float32 (K,).

    Raises:
        InputError: The file does not have the format.
    """
    rows = text.table(path)
    _, header = next(rows, (0, None))
    if header != HEADER:
        raise InputError(f"{path}: expected the header {HEADER}, but got {header}.")
    for number, row in rows:
        yield _parsed(row, where=f"{path}, line {number}")


def _parsed(line: list[str], *, where: str) -> tuple[str, NDArray, NDArray]:
    try:
        video, pairs = line
        values = pairs.split()
        with np.errstate(over="ignore"):  # it becomes infinite
            class_ids, scores = np.array(values[::2], np.int32), np.array(values[1::2], np.float32)
        known = class_ids.shape == scores.shape and (class_ids >= 0).all() and "_" not in pairs
        if known and ((scores >= 0) & (scores < np.inf)).all():  # NaN is not
            return video, class_ids, scores
    except (ValueError, OverflowError):
        pass
    raise InputError(
        f"{where}: expected `id,class score class score ...`, but got {','.join(line)[:80]!r}. "
        "Is the file truncated, or of another kind?"
    )


def _check_batch(ids: Sequence[str], class_ids: NDArray, scores: NDArray) -> None:
    if scores.ndim != 2 or class_ids.shape != scores.shape or len(ids) != len(scores):
        raise InputError(
            "Ids (B,), class ids and scores (B, K) must agree, but got "
            f"{len(ids)} ids and shapes {class_ids.shape}, {scores.shape}."
        )
    wrong = np.isnan(scores).any(axis=1) | (scores[:, 1:] > scores[:, :-1]).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"Scores must fall in each row, but those of {ids[row]!r} are {scores[row].tolist()}. "
            "Do they go through `top_k`?"
        )


def _formatted(
    names: Sequence[bytes], class_ids: NDArray, scores: NDArray, score_format: str
) -> bytes:
    videos, k = scores.shape
    fields = np.empty((videos, 1 + 2 * k), object)
    fields[:, 0] = names
    fields[:, 1::2] = class_ids
    fields[:, 2::2] = scores.astype(np.float64)
    pair = b"%d %" + score_format.encode()
    return (b"%b," + b" ".join([pair] * k) + b"\n") * videos % tuple(fields.ravel())


def _quoted(ids: Sequence[str]) -> Sequence[str]:
    """Returns the ids as CSV fields, in quotes if they hold a comma, a quote or a line break."""
    if not set('",\r\n').intersection("".join(ids)):
        return ids
    return [f'"{i.replace(chr(34), chr(34) * 2)}"' if set('",\r\n') & set(i) else i for i in ids]

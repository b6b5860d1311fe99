"""A large file in pieces of whole records, so that memory does not grow with the file."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from yt8m_exp.data.tfrecords import tfrecord, wire
from yt8m_exp.data.tfrecords.tfrecord import Problem, Spans
from yt8m_exp.data.videos import aligned


class Piece(NamedTuple):
    """Some records of a file.

    Attributes:
        buffer: their bytes, uint8, with `wire.PADDING` to spare behind the last.
        spans: where they lie in it.
        first: the number of the first.
        problems: what is wrong with them, by their number in the file.
        fresh: the bytes that no piece before has: also those of a record that is not whole yet.
    """

    buffer: np.ndarray
    spans: Spans
    first: int
    problems: list[Problem]
    fresh: memoryview


def cut(file: BinaryIO, size: int, *, checksums: bool, most_bytes: int) -> Iterator[Piece]:
    """Reads the records of a file that is not compressed, up to the first that cannot be framed.

    Args:
        file: the file, from its first byte on.
        size: its bytes; where it has fewer, the last piece is cut off.
        checksums: whether to check the bytes of each record too, or their lengths alone.
        most_bytes: of a piece, unless one record has more.
    """
    before, first, rest = 0, 0, b""
    while before < size:
        room = min(max(most_bytes, 2 * len(rest)), size - before)
        buffer = aligned((room + wire.PADDING,))
        buffer[: len(rest)] = np.frombuffer(rest, np.uint8)
        end = len(rest) + file.readinto(buffer.data[len(rest) : room])  # type: ignore[attr-defined]
        after = size - before - room if end == room else 0
        spans, found = tfrecord.index(
            buffer.data[:end], checksums=checksums, before=before, after=after
        )
        problems = [Problem(first + problem.record, problem.text) for problem in found]
        yield Piece(buffer, spans, first, problems, buffer.data[len(rest) : end])
        if end < room or any(problem.record == len(spans.starts) for problem in found):
            return
        whole = _end(spans)
        before, first, rest = before + whole, first + len(spans.starts), bytes(buffer[whole:end])


def _end(spans: Spans) -> int:
    """Returns where the last record ends."""
    if not len(spans.starts):
        return 0
    return int(spans.starts[-1] + spans.lengths[-1]) + tfrecord.FOOTER_BYTES

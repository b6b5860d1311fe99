"""The TFRecord container: where each record of a file begins, and whether its checksums hold.

A record is its length (uint64), the length's checksum (uint32), the bytes, their checksum (uint32);
checksums are masked CRC-32C.
Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import google_crc32c
import numpy as np

HEADER_BYTES = 12
FOOTER_BYTES = 4
AGAIN = "Fetch the shard again."
CUT = "the file ends in the middle of it"


class Problem(NamedTuple):
    """What is wrong with one record of a file."""

    record: int
    text: str


class Spans(NamedTuple):
    """Where the records of a file lie: `starts` and `lengths` in bytes, int64 (N,)."""

    starts: np.ndarray
    lengths: np.ndarray


def index(
    data: bytes | memoryview, *, checksums: bool, before: int = 0, after: int = 0
) -> tuple[Spans, list[Problem]]:
    """Finds the records of a file, or of a piece of it that begins with a record.

    Args:
        data: the bytes.
        checksums: whether to check the bytes of each record too, or their lengths alone.
        before: how many bytes of the file come before the piece.
        after: how many come after it.

    Returns:
        All records up to the first that cannot be framed, and the problems: records with a wrong
        checksum are framed and reported, one that is cut off is only reported. One that goes on
        after a piece is neither.
    """
    header = struct.Struct("<QI")
    spans: list[tuple[int, int]] = []
    problems = []
    offset, size = 0, len(data)
    while offset < size:
        record = len(spans)
        if offset + HEADER_BYTES > size:
            if not after:
                problems.append(Problem(record, _cut(before + offset, HEADER_BYTES, before + size)))
            break
        length, checksum = header.unpack_from(data, offset)
        if masked_crc(data[offset : offset + 8]) != checksum:
            left = size - offset + after
            text = f"the checksum of its length fails at byte {before + offset}, so that the {left}"
            problems.append(Problem(record, f"{text} bytes from there cannot be read. {AGAIN}"))
            break
        end = offset + HEADER_BYTES + length + FOOTER_BYTES
        if end > size + after:
            whole = before + size + after
            problems.append(Problem(record, _cut(before + offset, end - offset, whole)))
            break
        if end > size:
            break
        if checksums:
            payload = data[offset + HEADER_BYTES : end - FOOTER_BYTES]
            if masked_crc(payload) != int.from_bytes(data[end - FOOTER_BYTES : end], "little"):
                text = f"its checksum fails at byte {before + offset}. {AGAIN}"
                problems.append(Problem(record, text))
        spans.append((offset + HEADER_BYTES, length))
        offset = end
    table = np.array(spans, np.int64).reshape(-1, 2)
    return Spans(table[:, 0], table[:, 1]), problems


def masked_crc(data: bytes | memoryview) -> int:
    """Returns the checksum that the container stores for some bytes."""
    crc = google_crc32c.value(bytes(data))  # it refuses views that may be written to
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def write(path: Path, records: Iterable[bytes]) -> None:
    """Writes serialized records to a new file."""
    with path.open("wb") as file:
        for record in records:
            _write_one(file, record)


def _write_one(file: BinaryIO, record: bytes) -> None:
    length = struct.pack("<Q", len(record))
    file.write(length + struct.pack("<I", masked_crc(length)))
    file.write(record + struct.pack("<I", masked_crc(record)))


def _cut(offset: int, needed: int, size: int) -> str:
    return f"{CUT}: {needed} bytes from byte {offset} do not fit in {size}. {AGAIN}"

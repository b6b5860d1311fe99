"""Examples written byte by byte, so that tests can lay them out as no library does."""

import struct
from collections.abc import Iterable, Sequence

import numpy as np

from yt8m_exp.data.tfrecords.records import Schema, Videos, decode
from yt8m_exp.data.tfrecords.tfrecord import Problem, Spans
from yt8m_exp.data.tfrecords.wire import PADDING

SCHEMA = Schema({"mean_rgb": 4, "mean_audio": 2}, classes=20)


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1  # a negative one takes ten bytes
    groups = []
    while True:
        groups.append(number & 0x7F)
        number >>= 7
        if not number:
            return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def text(*values: bytes) -> bytes:
    return field(1, b"".join(field(1, value) for value in values))


def floats(values: Sequence[float]) -> bytes:
    return field(2, field(1, struct.pack(f"<{len(values)}f", *values)))


def integers(*values: int) -> bytes:
    return field(3, field(1, b"".join(map(varint, values))) if values else b"")


def unpacked_floats(values: Sequence[float]) -> bytes:
    return field(2, b"".join(b"\x0d" + struct.pack("<f", value) for value in values))


def unpacked_integers(*values: int) -> bytes:
    return field(3, b"".join(b"\x08" + varint(value) for value in values))


def entry(key: str, feature: bytes) -> bytes:
    return field(1, field(1, key.encode()) + field(2, feature))


def example(**features: bytes) -> bytes:
    return field(1, b"".join(entry(key, feature) for key, feature in features.items()))


def video(number: int = 0, **other: bytes | None) -> bytes:
    """A valid video of `SCHEMA`; `other` features replace its own, None leaves one out."""
    features = {
        "id": text(f"v{number:03d}".encode()),
        "labels": integers(number % 20),
        "mean_rgb": floats([number + place / 8 for place in range(4)]),
        "mean_audio": floats([-number, 0.5]),
    }
    return example(**{key: value for key, value in (features | other).items() if value is not None})


def decoded(records: Iterable[bytes], schema: Schema = SCHEMA) -> tuple[Videos, list[Problem]]:
    records = list(records)
    lengths = np.array([len(record) for record in records], np.int64)
    buffer = np.frombuffer(b"".join(records) + bytes(PADDING), np.uint8)
    return decode(buffer, Spans(np.cumsum(lengths) - lengths, lengths), schema)


FRAME_SCHEMA = Schema({"rgb": 6, "audio": 3}, classes=20, level="frame", max_frames=7)


def pixels(number: int, frames: int, size: int) -> np.ndarray:
    """Frames of a made-up video, no two alike."""
    return (np.arange(frames * size).reshape(frames, size) * 7 + number).astype(np.uint8)


def rows(values: Iterable[bytes]) -> bytes:
    return b"".join(field(1, text(value)) for value in values)


def lists(**named: bytes) -> bytes:
    return field(
        2, b"".join(field(1, field(1, k.encode()) + field(2, v)) for k, v in named.items())
    )


def frame_video(number: int = 0, frames: int = 4, **context: bytes) -> bytes:
    """A valid frame-level video of `FRAME_SCHEMA`, with more of a context if it is given."""
    features = {"id": text(f"v{number:03d}".encode()), "labels": integers(number % 20)}
    values = {name: pixels(number, frames, size) for name, size in FRAME_SCHEMA.features.items()}
    sequences = {name: rows(row.tobytes() for row in matrix) for name, matrix in values.items()}
    return example(**features | context) + lists(**sequences)

"""Loops over the bytes of frames, compiled by Numba: on first use, then from its cache."""

import numba
import numpy as np

from yt8m_exp import spec
from yt8m_exp.data.tfrecords import walking
from yt8m_exp.data.tfrecords.warming import Call

_CENTER, _SCALE = np.float32(spec.BYTE_CENTER), np.float32(spec.BYTE_SCALE)
_EPSILON = np.float32(1e-12)


@numba.njit(nogil=True, cache=True)
def even(buffer, firsts, headers, counts, strides):  # type: ignore[no-untyped-def]
    """Tells of which lists all rows begin with the bytes that the first begins with.

    Args:
        buffer: the bytes, uint8.
        firsts: where the first row of each list begins.
        headers: how many bytes to compare: tags and lengths.
        counts: rows of each list.
        strides: from one row to the next.

    Returns:
        Booleans, one for each list.
    """
    same = np.ones(len(firsts), np.bool_)
    for place in range(len(firsts)):
        first = firsts[place]
        for row in range(1, counts[place]):
            at = first + row * strides[place]
            for byte in range(headers[place]):
                if buffer[at + byte] != buffer[first + byte]:
                    same[place] = False
    return same


_fast = numba.njit(nogil=True, fastmath=True, cache=True)


@_fast
def add_frames(  # type: ignore[no-untyped-def]
    means, buffer, starts, strides, sizes, counts, scaled, joint, center, weights
):
    """Puts the mean of each video's frames into `means`, float32 (N, D), which holds zeros.

    Args:
        means: where they go.
        buffer: the bytes, uint8.
        starts: where the first frame of each video begins, of each feature, (features, N).
        strides: from one frame to the next, (features, N).
        sizes: bytes of a frame, (features,).
        counts: frames of each video, (N,).
        scaled: whether each frame is scaled to length one before, feature by feature,
        joint: or all its features together.
        center: the byte of zero of the first feature, float32.
        weights: what the squares of its values count, float32; empty: one.
    """
    squares, centers = np.empty(len(sizes), np.float32), np.full(len(sizes), _CENTER)
    centers[0] = center
    for video in range(len(counts)):
        for frame in range(counts[video]):
            for part in range(len(sizes)):
                at = starts[part, video] + frame * strides[part, video]
                row = buffer[at : at + sizes[part]]
                if part == 0 and len(weights):
                    squares[part] = _weighted_square(row, centers[part], weights)
                else:
                    squares[part] = _square(row, centers[part])
            if joint:
                squares[:] = squares.sum()
            column = 0
            for part in range(len(sizes)):
                at = starts[part, video] + frame * strides[part, video]
                scale = _SCALE
                if scaled:
                    scale /= np.sqrt(max(squares[part], _EPSILON))
                row = buffer[at : at + sizes[part]]
                _add_row(means[video, column:], row, centers[part], scale)
                column += sizes[part]
        means[video] /= max(counts[video], 1)


@_fast
def _square(row, center):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for d in range(len(row)):
        x = np.float32(row[d]) - center
        total += x * x
    return total * _SCALE * _SCALE


@_fast
def _weighted_square(row, center, weights):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for d in range(len(row)):
        x = np.float32(row[d]) - center
        total += weights[d] * x * x
    return total * _SCALE * _SCALE


@_fast
def _add_row(mean, row, center, scale):  # type: ignore[no-untyped-def]
    for d in range(len(row)):
        mean[d] += scale * (np.float32(row[d]) - center)


def calls(level: str) -> list[Call]:
    """Returns calls of these loops as the reader of shards of a level makes them; see `warming`."""
    if level == "video":
        return walking.calls()
    one, row, table = np.zeros(1, np.int64), np.zeros(1, np.uint8), np.zeros((1, 1), np.int64)
    checked = np.frombuffer(bytes(1), np.uint8)  # a shard that is checked cannot be written to
    how = (True, True, _CENTER, np.zeros(0, np.float32))
    frames = (row, table, table, one, np.zeros(1, np.int32), *how)
    return [
        *walking.calls(),
        (even, (checked, one, one, one, one)),
        (even, (row, one, one, one, one)),
        (add_frames, (np.zeros((1, 1), np.float32), *frames)),
    ]

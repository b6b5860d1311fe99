"""What the features of many videos are like: moments by dimension, lengths, and fingerprints.

At frame level the feature of a video is the mean of its frames, which is what video level holds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numba
import numpy as np

from yt8m_exp import spec
from yt8m_exp.data.tfrecords import compiled, framing, wire
from yt8m_exp.data.tfrecords.warming import Call
from yt8m_exp.data.videos import Frames, Videos

NORM_STEP = 0.1
NORM_BINS = 700
"""No feature of the release is longer than 2 * sqrt(1024) = 64."""
LIMIT = 2.01
"""Features are clipped to [-2, 2], and dequantised to at most 2.0078."""
_PRIME, _SEED = np.uint64(0x9E3779B97F4A7C15), np.uint64(0x243F6A8885A308D3)


@dataclass(frozen=True)
class Feature:
    """One feature of many videos; may be added.

    Args:
        count: how many videos, without fakes.
        sums: of each dimension of these, float64 (D,).
        squares: sums of squares, likewise.
        norms: how many of these have an L2 norm in each interval of `NORM_STEP`, (bins,).
        fake_norms: the same of fakes.
    """

    count: int
    sums: np.ndarray
    squares: np.ndarray
    norms: np.ndarray
    fake_norms: np.ndarray

    def __add__(self, other: "Feature") -> "Feature":
        return Feature(
            self.count + other.count,
            self.sums + other.sums,
            self.squares + other.squares,
            self.norms + other.norms,
            self.fake_norms + other.fake_norms,
        )

    def deviations(self) -> np.ndarray:
        """Returns the standard deviation of each dimension, (D,)."""
        videos = max(self.count, 1)
        mean = self.sums / videos
        return np.sqrt(np.maximum(self.squares / videos - mean**2, 0))


def norm_quantile(norms: np.ndarray, share: float) -> float:
    """Returns the norm that this share of the videos does not exceed, to half a `NORM_STEP`."""
    reached = np.cumsum(norms) >= share * norms.sum()
    return float((np.argmax(reached) + 0.5) * NORM_STEP)


@dataclass(frozen=True)
class Described:
    """What is known of N videos with F features.

    Args:
        values: by feature, float32 (N, D).
        norms: L2 norms, float64 (F, N); not finite where a value is not.
        constant: whether a feature of a video is one value throughout, bool (F, N).
        wide: whether it has a value beyond `LIMIT`, bool (F, N).
        fingerprints: 64 bits of all bytes of a video's features, uint64 (N,).
    """

    values: Mapping[str, np.ndarray]
    norms: np.ndarray
    constant: np.ndarray
    wide: np.ndarray
    fingerprints: np.ndarray

    def by_feature(self) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
        """Yields the name of each feature, and the rows of `norms`, `constant` and `wide`."""
        return zip(self.values, self.norms, self.constant, self.wide, strict=True)


def described(videos: Videos) -> Described:
    """Describes videos; of frames, their means."""
    shape = len(videos.features), len(videos.ids)
    found = Described(
        {}, np.empty(shape), np.empty(shape, bool), np.empty(shape, bool),
        np.full(shape[1], _SEED),
    )  # fmt: skip
    values = {}
    for place, name in enumerate(sorted(videos.features, reverse=True)):  # rgb first
        feature = videos.features[name]
        if isinstance(feature, Frames):
            values[name] = _means(feature, np.asarray(videos.frames), found.fingerprints)
        elif isinstance(feature, np.ndarray):
            values[name] = np.ascontiguousarray(feature)
            raw = values[name].view(np.uint8).reshape(-1)
            _hash_rows(raw, wire.as_words(raw), 4 * feature.shape[1], found.fingerprints)
        _describe(values[name], found.norms[place], found.constant[place], found.wide[place])
    return replace(found, values=values)


def _means(frames: Frames, counts: np.ndarray, fingerprints: np.ndarray) -> np.ndarray:
    """Returns the means of frames, dequantised, float32 (N, D); adds all to the fingerprints."""
    sums = np.zeros((len(counts), frames.size), np.uint32)
    places = frames.buffer, frames.starts, frames.strides, counts
    _add_frames(*places, sums)
    _hash_frames(wire.as_words(frames.buffer), *places, frames.size, fingerprints)
    means = sums / np.maximum(counts, 1)[:, None] * spec.BYTE_SCALE + spec.BYTE_OFFSET
    return np.where(counts[:, None] > 0, means, 0).astype(np.float32)


def summarised(found: Described, real: np.ndarray, fake: np.ndarray) -> dict[str, Feature]:
    """Sums real and fake videos up, bool (N,) each."""
    features = {}
    for (name, values), norms in zip(found.values.items(), found.norms, strict=True):
        sums, squares = np.zeros((2, values.shape[1]))
        _add_rows(values, real, sums, squares)
        lengths = _histogram(norms[real]), _histogram(norms[fake])
        features[name] = Feature(int(real.sum()), sums, squares, *lengths)
    return features


def _histogram(norms: np.ndarray) -> np.ndarray:
    bins = np.minimum(norms / NORM_STEP, NORM_BINS - 1).astype(np.int64)
    return np.bincount(bins, minlength=NORM_BINS)


_compiled = numba.njit(nogil=True, cache=True)
_fast = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})


@_fast
def _describe(values, norms, constant, wide):  # type: ignore[no-untyped-def]
    for n in range(len(values)):
        row = values[n]
        square, differs, beyond = 0.0, 0, 0
        for d in range(len(row)):
            x = row[d]
            square += np.float64(x) * np.float64(x)
            differs += x != row[0]
            beyond += abs(x) > LIMIT
        norms[n] = np.sqrt(square)
        constant[n] = differs == 0
        wide[n] = beyond > 0


@_compiled
def _add_rows(values, keep, sums, squares):  # type: ignore[no-untyped-def]
    for n in range(len(values)):
        if keep[n]:
            for d in range(len(sums)):
                x = np.float64(values[n, d])
                sums[d] += x
                squares[d] += x * x


@_compiled
def _add_frames(buffer, starts, strides, counts, sums):  # type: ignore[no-untyped-def]
    size = sums.shape[1]
    for n in range(len(starts)):
        total = sums[n]
        for t in range(counts[n]):
            at = starts[n] + t * strides[n]
            row = buffer[at : at + size]
            for d in range(size):
                total[d] += np.uint32(row[d])


@_compiled
def _hash_rows(raw, words, size, hashes):  # type: ignore[no-untyped-def]
    for n in range(len(hashes)):
        hashes[n] = _hash(raw, words, n * size, size, hashes[n])


@_compiled
def _hash_frames(words, buffer, starts, strides, counts, size, hashes):  # type: ignore[no-untyped-def]
    for n in range(len(starts)):
        for t in range(counts[n]):
            at = starts[n] + t * strides[n]
            hashes[n] = _hash(buffer, words, at, size, hashes[n])


@_compiled
def _hash(raw, words, start, size, state):  # type: ignore[no-untyped-def]
    """Returns 64 bits of some bytes: four lanes, multiplied and rotated, as xxHash does."""
    a, b, c, d = state, state ^ _PRIME, ~state, state + _PRIME
    at, end = np.uint64(start), np.uint64(start + size)  # a signed index may be negative: slower
    while at + np.uint64(32) <= end:
        a = _mix(a, words[at])
        b = _mix(b, words[at + np.uint64(8)])
        c = _mix(c, words[at + np.uint64(16)])
        d = _mix(d, words[at + np.uint64(24)])
        at += np.uint64(32)
    while at < end:
        a = _mix(a, raw[at])
        at += np.uint64(1)
    for lane in (b, c, d):
        a = _mix(a, lane)
    return a ^ (a >> np.uint64(32))


@_compiled
def _mix(state, word):  # type: ignore[no-untyped-def]
    mixed = (state ^ np.uint64(word)) * _PRIME
    return (mixed << np.uint64(31)) | (mixed >> np.uint64(33))


def calls() -> list[Call]:
    """Returns calls of these loops as the check makes them; see `warming`."""
    values, sums, hashes = np.zeros((1, 1), np.float32), np.zeros(1), np.zeros(1, np.uint64)
    flags, one = np.zeros(1, np.bool_), np.zeros(1, np.int64)
    read = np.frombuffer(bytes(wire.PADDING), np.uint8)  # a shard cannot be written to
    frames = read, one, np.ones(1, np.int64), np.zeros(1, np.int32)
    raw = values.view(np.uint8).reshape(-1)
    return [
        *compiled.calls("frame"),
        *framing.calls(),
        (_describe, (values, sums, flags, flags)),
        (_add_rows, (values, flags, sums, sums)),
        (_hash_rows, (raw, wire.as_words(raw), 4, hashes)),
        (_add_frames, (*frames, np.zeros((1, 1), np.uint32))),
        (_hash_frames, (wire.as_words(read), *frames, 1, hashes)),
    ]

"""The sound of a video as a waveform, in step with its pictures."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.videos.networks.mel import SAMPLE_RATE
from yt8m_exp.videos.reading import files


def pieces(path: Path, seconds: int, length: int) -> Iterator[NDArray[np.float32]]:
    """Yields the sound of a video piece by piece, mono, float32 (length * SAMPLE_RATE,) in [-1, 1].

    It begins with the first picture. Where there is no sound, it is silent. Channels are averaged
    after resampling, as MediaPipe's graph for YouTube-8M does.

    Args:
        path: the video.
        seconds: how much of it.
        length: seconds of a piece; the last may be shorter.
    """
    start, size, total = 0, length * SAMPLE_RATE, seconds * SAMPLE_RATE
    piece = np.zeros(min(size, total), np.float32)
    for at, samples in _placed(path):
        while at + len(samples) > start + len(piece):
            _put(piece, at - start, samples)
            yield piece
            start += len(piece)
            if start == total:
                return
            piece = np.zeros(min(size, total - start), np.float32)
        _put(piece, at - start, samples)
    while start < total:
        yield piece
        start += len(piece)
        piece = np.zeros(min(size, total - start), np.float32)


def _placed(path: Path) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yields samples, and where they begin: at 0 with the first picture, or before."""
    with files.opened(path) as container:
        if not container.streams.audio:
            return
        at = None
        for frame in _resampled(files.decoded(container, container.streams.audio[0])):
            if at is None:
                begin = (frame.pts or 0) * frame.time_base - files.start(container)
                at = round(begin * SAMPLE_RATE)
            samples = frame.to_ndarray().mean(axis=0)
            yield at, samples
            at += len(samples)


def _resampled(frames: Iterator[Any]) -> Iterator[Any]:
    """Resamples frames; a broadcast may change its format in the middle."""
    # Imported here: PyAV is an extra.
    from av import AudioResampler

    for _, alike in itertools.groupby(frames, _form):
        resampler = AudioResampler(format="fltp", rate=SAMPLE_RATE)
        for frame in itertools.chain(alike, [None]):
            yield from resampler.resample(frame)


def _form(frame: Any) -> tuple[Any, ...]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _put(whole: NDArray[np.float32], at: int, samples: NDArray[np.float32]) -> None:
    """Copies samples to their place; what lies before the start or behind the end is left out."""
    first, last = max(at, 0), min(at + len(samples), len(whole))
    if first < last:
        whole[first:last] = samples[first - at : last - at]

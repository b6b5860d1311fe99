"""The sound of a video as one waveform, in step with its pictures."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.videos.networks.mel import SAMPLE_RATE
from yt8m_exp.videos.reading import files


def waveform(path: Path, seconds: int) -> NDArray[np.float32] | None:
    """Returns the sound of a video, mono, float32 (seconds * SAMPLE_RATE,) in [-1, 1].

    It begins with the first picture. Where there is no sound, before or after it, it is silent.
    Channels are averaged after resampling, as MediaPipe's graph for YouTube-8M does.

    Args:
        path: the video.
        seconds: how much of it.

    Returns:
        None where the video has no sound at all.
    """
    whole = np.zeros(seconds * SAMPLE_RATE, np.float32)
    with files.opened(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        at, found = None, False
        for frame in _resampled(files.decoded(container, stream)):
            if at is None:
                begin = (frame.pts or 0) * frame.time_base - files.start(container)
                at = round(begin * SAMPLE_RATE)
            samples = frame.to_ndarray().mean(axis=0)
            _put(whole, at, samples)
            at, found = at + len(samples), True
            if at >= len(whole):
                break
    return whole if found else None


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

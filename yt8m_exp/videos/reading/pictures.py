"""The picture that a video shows at each full second."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.videos.reading import files
from yt8m_exp.videos.reading.files import BadVideoError

CLOCK = Fraction(1, 2000)
"""Containers round times to milliseconds: a frame counts as shown half of one before its time."""
LOST_SECONDS = 1
"""A file that lasts so much less than it says was cut."""

logger = logging.getLogger(__name__)


def each_second(path: Path, most: int) -> Iterator[NDArray[np.uint8]]:
    """Yields the picture at seconds 0, 1, 2 ... after the first, upright, RGB uint8 (H, W, 3).

    That is the last frame whose time has come, as a player shows it, also where frames come at no
    fixed rate. A stretched pixel stays stretched: the network's input is square whatever the
    picture was.

    Args:
        path: the video.
        most: pictures to yield at most; what comes later is not decoded.

    Raises:
        BadVideoError: the file cannot be opened, or no frame of it can be decoded.
    """
    with files.opened(path) as container:
        stream = files.pictures(container)
        stream.thread_type = "AUTO"
        begin, second, shown, step = files.start(container), 0, None, Fraction(0)
        end = Fraction(0)
        for frame in files.decoded(container, stream):
            time = _time(frame, end, begin)
            while shown is not None and second < time - CLOCK and second < most:
                yield _upright(shown)
                second += 1
            if second == most:
                return
            step = _duration(frame, stream) or (time - (end - step) if shown else step)
            shown, end = frame, time + step
        if shown is None:
            raise BadVideoError(f"{path} has no frame that can be decoded.")
        while second < most and (second == 0 or second < end - CLOCK):
            yield _upright(shown)
            second += 1
        _report(path, container, end)


def _time(frame: Any, end: Fraction, begin: Fraction) -> Fraction:
    """Returns when a frame is shown; one without a time follows the last."""
    return end if frame.pts is None else frame.pts * frame.time_base - begin


def _duration(frame: Any, stream: Any) -> Fraction:
    if frame.duration:
        return frame.duration * frame.time_base
    return 1 / stream.average_rate if stream.average_rate else Fraction(0)


def _upright(frame: Any) -> NDArray[np.uint8]:
    """Returns a frame as it is to be seen: phones store how they were held."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.rot90(pixels, round(frame.rotation / 90))


def _report(path: Path, container: Any, end: Fraction) -> None:
    said = Fraction(container.duration or 0, 1_000_000)
    if said - end > LOST_SECONDS:
        logger.warning(
            "%s breaks off: %.1f of %.1f seconds could be decoded.",
            *(path, float(end), float(said)),
        )

"""Extracts the features of many videos side by side."""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.videos.listing import Source
from yt8m_exp.videos.networks import mel
from yt8m_exp.videos.networks.extractor import Extractor
from yt8m_exp.videos.networks.resizing import resized
from yt8m_exp.videos.reading import pictures, sound
from yt8m_exp.videos.reading.files import BadVideoError
from yt8m_exp.videos.store import Store

BATCH = 16
"""Seconds that go through the networks at once: 17 MB of pictures."""


class Ended(NamedTuple):
    """A video that is done.

    Attributes:
        source: the video.
        seconds: how many were described.
        error: why there are none; None if all is well.
    """

    source: Source
    seconds: int
    error: BadVideoError | None = None


class StoppedError(Exception):
    """The extraction was told to stop."""


def features(
    path: Path, networks: Extractor, most: int, stop: Event | None = None
) -> dict[str, NDArray[np.uint8]]:
    """Returns `rgb` and `audio` of a video, uint8 (T, D), a row for each second.

    A video without sound is described as one that is silent: the network hears zeros.

    Args:
        path: the video.
        networks: what describes it.
        most: seconds at most.
        stop: ends the work when it is set.

    Raises:
        BadVideoError: it cannot be decoded.
        StoppedError: `stop` was set.
    """
    rgb = []
    squares = map(resized, pictures.each_second(path, most))
    while batch := list(itertools.islice(squares, BATCH)):
        if stop is not None and stop.is_set():
            raise StoppedError
        rgb.append(networks.rgb(np.stack(batch)))
    seconds = sum(map(len, rgb))
    waves = sound.pieces(path, seconds, BATCH)
    audio = [networks.audio(mel.patches(wave)) for wave in waves]
    return {"rgb": np.concatenate(rgb), "audio": np.concatenate(audio)}


def extract(
    sources: Sequence[Source], store: Store, networks: Extractor, *, most: int, workers: int
) -> Iterator[Ended]:
    """Extracts the features of videos into a store, and yields each video as it ends.

    Workers are threads: libav decodes and TensorFlow computes outside Python's lock. Each holds one
    batch of pictures. If the caller stops, so do they, and what is in the store stays.
    """
    stop = Event()

    def work(source: Source) -> Ended:
        try:
            found = features(source.path, networks, most, stop)
        except BadVideoError as error:
            return Ended(source, 0, error)
        store.write(source, found)
        return Ended(source, len(found["rgb"]))

    pool = ThreadPoolExecutor(workers)
    try:
        for future in as_completed([pool.submit(work, source) for source in sources]):
            yield future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)

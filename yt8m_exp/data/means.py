"""The means of videos' frames, taken while shards are read.

What a model of means looks at is some 4 KB a video, where its frames are some 250 KB, to be copied,
padded and copied again. Each byte is read once here, and never becomes an array of floats.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.data.videos import Frames, Videos

MEAN = "mean"
"""The name of the only feature of videos that are read so."""


@dataclass(frozen=True)
class Means:
    """What is averaged.

    Args:
        scaled: what of a frame is scaled to a length before: `each` feature, the `joint` vector,
            or `none`.
        max_frames: the frames behind so many are left out.
        shift: is subtracted from rgb before that,
        factors: and this is what rgb is multiplied by then, (1024,); None: nothing.
        value: the length is this times the square root of a feature's size; None: it is one.
    """

    scaled: str
    max_frames: int
    shift: float = 0.0
    factors: NDArray[np.float32] | None = None
    value: float | None = None

    def of(self, videos: Videos) -> Videos:
        """Returns videos with one feature, `MEAN`, float32 (N, D): rgb first; zero of no frames."""
        # Imported here: Numba takes a second to load, and only frames need it.
        from yt8m_exp.data.tfrecords import compiled

        assert videos.frames is not None
        ordered = [videos.features[name] for name in sorted(videos.features, reverse=True)]
        frames = [feature for feature in ordered if isinstance(feature, Frames)]
        counts = np.minimum(videos.frames, self.max_frames)
        sizes = np.array([part.size for part in frames])
        means = np.zeros((len(videos.ids), sizes.sum()), np.float32)
        compiled.add_frames(
            means,
            frames[0].buffer,  # which is that of all: the shards' own
            np.stack([part.starts for part in frames]),
            np.stack([part.strides for part in frames]),
            sizes,
            counts,
            self.scaled != "none",
            self.scaled == "joint",
            np.float32(spec.BYTE_CENTER + self.shift / spec.BYTE_SCALE),
            np.zeros(0, np.float32) if self.factors is None else np.square(self.factors),
        )
        if self.factors is not None:
            means[:, : len(self.factors)] *= self.factors
        if self.value is not None:
            means *= self.value * np.sqrt(np.repeat(sizes, sizes), dtype=np.float32)
        return videos._replace(features={MEAN: means}, frames=None)

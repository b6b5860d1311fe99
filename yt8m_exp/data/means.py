"""The means of videos' frames, taken while shards are read.

What a model of means looks at is some 4 KB a video, where its frames are some 250 KB, to be copied,
padded and copied again. Each byte is read once here, and never becomes an array of floats.
"""

from dataclasses import dataclass

import numba
import numpy as np

from yt8m_exp import spec
from yt8m_exp.data.videos import Frames, Videos

MEAN = "mean"
"""The name of the only feature of videos that are read so."""
_CENTER, _SCALE = np.float32(spec.BYTE_CENTER), np.float32(spec.BYTE_SCALE)
_EPSILON = np.float32(1e-12)


@dataclass(frozen=True)
class Means:
    """What is averaged.

    Args:
        normalize: what a frame is scaled to before; see `models.inputs.joined`.
        max_frames: the frames behind so many are left out.
    """

    normalize: str
    max_frames: int

    def of(self, videos: Videos) -> Videos:
        """Returns videos with one feature, `MEAN`, float32 (N, D): rgb first; zero of no frames."""
        assert videos.frames is not None
        ordered = [videos.features[name] for name in sorted(videos.features, reverse=True)]
        frames = [feature for feature in ordered if isinstance(feature, Frames)]
        means = np.zeros((len(videos.ids), sum(part.size for part in frames)), np.float32)
        _add(
            means,
            frames[0].buffer,  # which is that of all: the shards' own
            np.stack([part.starts for part in frames]),
            np.stack([part.strides for part in frames]),
            np.array([part.size for part in frames]),
            np.minimum(videos.frames, self.max_frames),
            self.normalize != "none",
            self.normalize == "joint",
        )
        return videos._replace(features={MEAN: means}, frames=None)


_compiled = numba.njit(nogil=True, fastmath=True, cache=True)


@_compiled
def _add(means, buffer, starts, strides, sizes, counts, scaled, joint):  # type: ignore[no-untyped-def]
    squares = np.empty(len(sizes), np.float32)
    for video in range(len(counts)):
        for frame in range(counts[video]):
            for part in range(len(sizes)):
                at = starts[part, video] + frame * strides[part, video]
                squares[part] = _square(buffer[at : at + sizes[part]])
            if joint:
                squares[:] = squares.sum()
            column = 0
            for part in range(len(sizes)):
                at = starts[part, video] + frame * strides[part, video]
                scale = _SCALE
                if scaled:
                    scale /= np.sqrt(max(squares[part], _EPSILON))
                _add_row(means[video, column:], buffer[at : at + sizes[part]], scale)
                column += sizes[part]
        means[video] /= max(counts[video], 1)


@_compiled
def _square(row):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for d in range(len(row)):
        x = np.float32(row[d]) - _CENTER
        total += x * x
    return total * _SCALE * _SCALE


@_compiled
def _add_row(mean, row, scale):  # type: ignore[no-untyped-def]
    for d in range(len(row)):
        mean[d] += scale * (np.float32(row[d]) - _CENTER)

"""The means of videos' frames, taken while shards are read.

What a model of means looks at is some 4 KB a video, where its frames are some 250 KB, to be copied,
padded and copied again. Each byte is read once here, and never becomes an array of floats.
"""

from dataclasses import dataclass

import numpy as np

from yt8m_exp.data.videos import Frames, Videos

MEAN = "mean"
"""The name of the only feature of videos that are read so."""


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
        # Imported here: Numba takes a second to load, and only frames need it.
        from yt8m_exp.data.tfrecords import compiled

        assert videos.frames is not None
        ordered = [videos.features[name] for name in sorted(videos.features, reverse=True)]
        frames = [feature for feature in ordered if isinstance(feature, Frames)]
        means = np.zeros((len(videos.ids), sum(part.size for part in frames)), np.float32)
        compiled.add_frames(
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

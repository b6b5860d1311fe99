"""Frame samplers: which frames of a video a model uses.

Every frame-level model calls one, as `sampling(parts, frames)`, with the bytes of each feature,
uint8 (B, T, D), and the number of frames of each video, int32 (B,). The sampler returns both for
the frames that are kept. Its attributes are `max_frames`, after which frames are never used, and
`places`, the most frames that it keeps of a video.
"""

from typing import Literal, Protocol

import keras
from keras import ops

from yt8m_exp.models import devices
from yt8m_exp.models.requirements import require_choice, require_positive

Parts = list[keras.KerasTensor]


class Sampling(Protocol):
    """What a sampler is: a layer that chooses frames, `parts` (B, T, D) and `frames` (B,)."""

    @property
    def places(self) -> int:
        """The most frames of a video that it keeps."""

    def __call__(
        self, parts: Parts, frames: keras.KerasTensor, /
    ) -> tuple[Parts, keras.KerasTensor]: ...


Method = Literal["random", "run", "stride"]


@keras.saving.register_keras_serializable("yt8m_exp")
class AllFrames(keras.layers.Layer):
    """Keeps all frames of each video.

    Args:
        max_frames: frames after this one are cut off.

    Raises:
        InputError: `max_frames` is below 1.
    """

    def __init__(self, max_frames: int, *, name: str = "sampled", **layer) -> None:
        super().__init__(name=name, **layer)
        require_positive(max_frames=max_frames)
        self.max_frames = max_frames

    @property
    def places(self) -> int:
        """The most frames of a video that it keeps."""
        return self.max_frames

    def call(self, parts, frames):
        return [part[:, : self.max_frames] for part in parts], ops.minimum(frames, self.max_frames)

    def compute_output_spec(self, parts, frames):
        return _output_spec(parts, frames, length=None)

    def get_config(self):
        return super().get_config() | {"max_frames": self.max_frames}


@keras.saving.register_keras_serializable("yt8m_exp")
class FrameSampler(keras.layers.Layer):
    """Samples frames of each video in training, and takes evenly spaced ones in inference.

    Afterwards, a video has S frames, or none. If it had fewer, some are repeated.

    Args:
        method: in training, `random` draws frames with replacement, `run` takes consecutive frames
            from a random start, and `stride` takes the evenly spaced frames of inference.
        samples: S, the number of frames that are sampled.
        max_frames: frames after this one are never sampled.

    Raises:
        InputError: an argument is out of its range.
    """

    def __init__(
        self, method: Method, samples: int, max_frames: int, *, name: str = "sampled", **layer
    ) -> None:
        super().__init__(name=name, **layer)
        require_choice(Method, method=method)
        self.method = method
        require_positive(samples=samples, max_frames=max_frames)
        self.samples = samples
        self.max_frames = max_frames
        if method != "stride":
            self.seed_generator = keras.random.SeedGenerator(name=f"{name}_seed")

    @property
    def places(self) -> int:
        """The most frames of a video that it keeps."""
        return self.samples

    def call(self, parts, frames, training=False):
        frames = ops.minimum(frames, self.max_frames)
        indices = self._indices(frames, training)
        frames = ops.where(frames > 0, self.samples, 0)
        return [_take(part, indices) for part in parts], frames

    def _indices(self, frames, training):
        if training and self.method == "random":
            return random_indices(self._uniforms(frames, self.samples), frames)
        if training and self.method == "run":
            return run_indices(self._uniforms(frames, 1), frames, self.samples)
        return stride_indices(frames, self.samples)

    def _uniforms(self, frames, count):
        return keras.random.uniform((ops.shape(frames)[0], count), seed=self.seed_generator)

    def compute_output_spec(self, parts, frames, training=False):
        return _output_spec(parts, frames, length=self.samples)

    def get_config(self):
        return super().get_config() | {
            "method": self.method,
            "samples": self.samples,
            "max_frames": self.max_frames,
        }


@keras.saving.register_keras_serializable("yt8m_exp")
class SampledInTraining(keras.layers.Layer):
    """Draws frames with replacement in training, and keeps all frames in inference.

    A mean over frames is then the one that training sees on average.

    Args:
        samples: S, the number of frames that are drawn of a video, see `FrameSampler`.
        max_frames: frames after this one are never used.

    Raises:
        InputError: an argument is out of its range.
    """

    def __init__(self, samples: int, max_frames: int, *, name: str = "sampled", **layer) -> None:
        super().__init__(name=name, **layer)
        require_positive(samples=samples, max_frames=max_frames)
        self.samples = samples
        self.max_frames = max_frames
        self.seed_generator = keras.random.SeedGenerator(name=f"{name}_seed")

    @property
    def places(self) -> int:
        """The most frames of a video that it keeps."""
        return self.max_frames

    def call(self, parts, frames, training=False):
        frames = ops.minimum(frames, self.max_frames)
        if not training:
            return [part[:, : self.max_frames] for part in parts], frames
        shape = (ops.shape(frames)[0], self.samples)
        indices = random_indices(keras.random.uniform(shape, seed=self.seed_generator), frames)
        return [_take(part, indices) for part in parts], ops.where(frames > 0, self.samples, 0)

    def compute_output_spec(self, parts, frames, training=False):
        return _output_spec(parts, frames, length=None)

    def get_config(self):
        return super().get_config() | {"samples": self.samples, "max_frames": self.max_frames}


@keras.saving.register_keras_serializable("yt8m_exp", "Choose")
class _Choose(keras.layers.Layer):
    """Loads the sampler of older models: one layer with `sampling`, which could be `none`."""

    @classmethod
    def from_config(cls, config):
        shared = {key: config[key] for key in config.keys() - {"sampling", "samples"}}
        if config["sampling"] == "none":
            return AllFrames(**shared)
        return FrameSampler(config["sampling"], config["samples"], **shared)


def random_indices(uniforms: keras.KerasTensor, frames: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the indices (B, S) of frames drawn with replacement.

    Source: SampleRandomFrames of google/youtube-8m, model_utils.py.

    Args:
        uniforms: numbers (B, S) in [0, 1).
        frames: frames of each video, int32 (B,).
    """
    length = ops.cast(frames[:, None], "float32")
    return ops.cast(uniforms * length, "int32")


def run_indices(
    uniforms: keras.KerasTensor, frames: keras.KerasTensor, samples: int
) -> keras.KerasTensor:
    """Returns the indices (B, S) of consecutive frames.

    All frames of a shorter video are taken, and its last one is repeated.
    Source: SampleRandomSequence of google/youtube-8m, model_utils.py.

    Args:
        uniforms: numbers (B, 1) in [0, 1) that decide the start.
        frames: frames of each video, int32 (B,).
        samples: S.
    """
    starts = ops.cast(ops.maximum(frames[:, None] - samples, 0) + 1, "float32")
    indices = ops.cast(uniforms * starts, "int32") + ops.arange(samples)
    return ops.clip(indices, 0, ops.maximum(frames[:, None] - 1, 0))


def stride_indices(frames: keras.KerasTensor, samples: int) -> keras.KerasTensor:
    """Returns the indices (B, S) of the middle frames of S equal parts of each video.

    Args:
        frames: frames of each video, int32 (B,).
        samples: S.
    """
    return (2 * ops.arange(samples) + 1) * frames[:, None] // (2 * samples)


def _output_spec(parts, frames, length: int | None):
    shapes = [(part.shape[0], length, part.shape[2]) for part in parts]
    kept = [keras.KerasTensor(shape, dtype="uint8") for shape in shapes]
    return kept, keras.KerasTensor(frames.shape, dtype="int32")


def _take(x, indices):
    """Returns the rows (B, S, D) of x (B, T, D) at indices (B, S)."""
    with devices.of_bytes():
        videos, length, size = ops.shape(x)
        flat = ops.reshape(x, (-1, size))
        return ops.take(flat, indices + length * ops.arange(videos)[:, None], axis=0)

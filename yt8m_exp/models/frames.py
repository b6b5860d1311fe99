"""Named frame-level inputs: which frames of a video are seen, and what is done to their bytes.

Frames travel as bytes, padded to the longest video of the batch, until the frames that are wanted
are chosen: a float takes four times the room.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import keras
from keras import ops

from yt8m_exp.models import devices
from yt8m_exp.models.inputs import Normalize, inverse_length, require_normalize

Sampling = Literal["random", "run", "stride", "none"]

SCALE = 4 / 255
OFFSET = 4 / 512 - 2
"""A byte stands for `byte * SCALE + OFFSET`, in [-2, 2]. Source: google/youtube-8m, utils.py."""
CENTER = -OFFSET / SCALE
"""What stands for zero, 127.001953125: exact in float32, as is a byte less it."""


def named(features: Mapping[str, int]) -> dict[str, keras.KerasTensor]:
    """Returns a uint8 input (B, T, D) for each feature, rgb first, and `frames`, int32 (B,).

    Frames of a video are its first `frames` rows, T >= 1; what follows them is never looked at.
    """
    ordered = sorted(features.items(), reverse=True)
    parts = {name: keras.Input((None, size), dtype="uint8", name=name) for name, size in ordered}
    return parts | {"frames": keras.Input((), dtype="int32", name="frames")}


def chosen(
    inputs: Mapping[str, keras.KerasTensor], *, max_frames: int, sampling: Sampling, samples: int
) -> tuple[list[keras.KerasTensor], keras.KerasTensor]:
    """Returns the bytes of the frames that a model looks at, and how many there are of each video.

    Args:
        inputs: see `named`.
        max_frames: the frames after this one are cut off.
        sampling: see `Choose`.
        samples: see `Choose`.
    """
    *parts, frames = inputs.values()
    return Choose(sampling, samples, max_frames, name="chosen")(parts, frames)


def joined(
    inputs: Mapping[str, keras.KerasTensor],
    *,
    max_frames: int,
    sampling: Sampling,
    samples: int,
    normalize: Normalize,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns the features of each frame that a model looks at, and how many frames a video has.

    Args:
        inputs: see `named`.
        max_frames: see `chosen`.
        sampling: see `Choose`.
        samples: see `Choose`.
        normalize: see `Dequantize`.

    Returns:
        Features, float32 (B, T, D), zero in the padding, and frames, int32 (B,).
    """
    parts, frames = chosen(inputs, max_frames=max_frames, sampling=sampling, samples=samples)
    return Dequantize(normalize, dtype="float32", name="features")(parts, frames), frames


def mask(x: keras.KerasTensor, frames: keras.KerasTensor) -> keras.KerasTensor:
    """Returns which rows of x (B, T, ...) are frames, not padding, as booleans (B, T)."""
    return ops.arange(ops.shape(x)[1]) < frames[:, None]


def centered(x: keras.KerasTensor) -> keras.KerasTensor:
    """Returns bytes less `CENTER` as float32."""
    if keras.backend.standardize_dtype(x.dtype) == "uint8":
        x = ops.cast(x, "int32")  # on the way, as TensorFlow's CPUs are faster in two steps
    return ops.cast(x, "float32") - CENTER


def random_frames(uniforms: keras.KerasTensor, frames: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the places (B, S) of frames drawn with replacement.

    Source: SampleRandomFrames of google/youtube-8m, model_utils.py.

    Args:
        uniforms: numbers (B, S) in [0, 1).
        frames: frames of each video, int32 (B,).
    """
    length = ops.cast(frames[:, None], "float32")
    return ops.cast(uniforms * length, "int32")


def random_run(
    uniforms: keras.KerasTensor, frames: keras.KerasTensor, samples: int
) -> keras.KerasTensor:
    """Returns the places (B, S) of frames that follow each other.

    A shorter video is seen whole, its last frame again and again.
    Source: SampleRandomSequence of google/youtube-8m, model_utils.py.

    Args:
        uniforms: numbers (B, 1) in [0, 1) that say where a run starts.
        frames: frames of each video, int32 (B,).
        samples: S.
    """
    starts = ops.cast(ops.maximum(frames[:, None] - samples, 0) + 1, "float32")
    places = ops.cast(uniforms * starts, "int32") + ops.arange(samples)
    return ops.clip(places, 0, ops.maximum(frames[:, None] - 1, 0))


def even_stride(frames: keras.KerasTensor, samples: int) -> keras.KerasTensor:
    """Returns the places (B, S) of the frames in the middle of S equal parts of a video.

    Args:
        frames: frames of each video, int32 (B,).
        samples: S.
    """
    return (2 * ops.arange(samples) + 1) * frames[:, None] // (2 * samples)


@keras.saving.register_keras_serializable("yt8m_exp")
class Choose(keras.layers.Layer):
    """Chooses frames: a sample in training, evenly spaced ones otherwise, or all.

    Args:
        sampling: in training, `random` draws frames with replacement, `run` frames that follow each
            other, `stride` takes evenly spaced ones; all three take evenly spaced ones in
            inference, where chance has no place. `none` takes all frames there as here.
        samples: S, how many frames are taken of a video, some of them twice where it has fewer.
        max_frames: the frames after this one are cut off before anything else.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, sampling: Sampling, samples: int, max_frames: int, **layer) -> None:
        super().__init__(**layer)
        if sampling not in get_args(Sampling):
            raise ValueError(
                f"`sampling` must be random, run, stride or none, but got {sampling!r}."
            )
        if samples < 1 or max_frames < 1:
            raise ValueError(
                "`samples >= 1` and `max_frames >= 1` must hold, but got "
                f"samples={samples}, max_frames={max_frames}."
            )
        self.sampling = sampling
        self.samples = samples
        self.max_frames = max_frames
        if sampling in ("random", "run"):
            self.seed_generator = keras.random.SeedGenerator(name="chosen_seed")

    def call(self, parts, frames, training=False):
        frames = ops.minimum(frames, self.max_frames)
        if self.sampling == "none":
            return [part[:, : self.max_frames] for part in parts], frames
        places = self._places(frames, training)
        frames = ops.where(frames > 0, self.samples, 0)
        return [_rows(part, places) for part in parts], frames

    def _places(self, frames, training):
        if training and self.sampling == "random":
            return random_frames(self._uniforms(frames, self.samples), frames)
        if training and self.sampling == "run":
            return random_run(self._uniforms(frames, 1), frames, self.samples)
        return even_stride(frames, self.samples)

    def _uniforms(self, frames, count):
        return keras.random.uniform((ops.shape(frames)[0], count), seed=self.seed_generator)

    def compute_output_spec(self, parts, frames, training=False):
        length = None if self.sampling == "none" else self.samples
        shapes = [(part.shape[0], length, part.shape[2]) for part in parts]
        kept = [keras.KerasTensor(shape, dtype="uint8") for shape in shapes]
        return kept, keras.KerasTensor(frames.shape, dtype="int32")

    def get_config(self):
        return super().get_config() | {
            "sampling": self.sampling,
            "samples": self.samples,
            "max_frames": self.max_frames,
        }


@keras.saving.register_keras_serializable("yt8m_exp")
class Dequantize(keras.layers.Layer):
    """Makes numbers of bytes, joins the features, normalises each frame; padding becomes zero.

    Args:
        normalize: see `inputs.joined`; lengths are those of a frame.
    """

    def __init__(self, normalize: Normalize, **layer) -> None:
        super().__init__(**layer)
        self.normalize = require_normalize(normalize)

    def call(self, parts, frames):
        here = mask(parts[0], frames)[:, :, None]
        numbers = [centered(part) * SCALE for part in parts]
        squares = [ops.sum(ops.square(x), axis=-1, keepdims=True) for x in numbers]
        scales = [ops.where(here, s, 0.0) for s in inverse_length(squares, self.normalize)]
        numbers = [x * scale for x, scale in zip(numbers, scales, strict=True)]
        return ops.concatenate(numbers, axis=-1) if len(numbers) > 1 else numbers[0]

    def get_config(self):
        return super().get_config() | {"normalize": self.normalize}


@keras.saving.register_keras_serializable("yt8m_exp")
class MeanFrame(keras.layers.Layer):
    """Averages what `Dequantize` gives over the frames of a video, without ever making it.

    The length of a frame follows from sums over its bytes, and a mean of normalised frames is a
    weighted mean of bytes. On CPUs it goes video by video, each cut to its own frames: the numbers
    of one stay in the cache, where those of a batch fill the memory. A video without frames has the
    mean zero.

    Args:
        normalize: see `Dequantize`.
    """

    def __init__(self, normalize: Normalize, **layer) -> None:
        super().__init__(**layer)
        self.normalize = require_normalize(normalize)

    def call(self, parts, frames):
        if keras.backend.backend() == "tensorflow" and not devices.has_gpu():
            return ops.map(lambda video: self._of_its_own(*video), (parts, frames))
        return self._mean(parts, frames)

    def compute_output_spec(self, parts, frames):
        size = sum(part.shape[-1] for part in parts)
        return keras.KerasTensor((frames.shape[0], size), dtype="float32")

    def _of_its_own(self, parts, frames):
        return self._mean([part[:frames] for part in parts], frames)

    def _mean(self, parts, frames):
        here = ops.arange(ops.shape(parts[0])[-2]) < frames[..., None]
        share = ops.cast(here, "float32") / ops.maximum(ops.cast(frames, "float32"), 1)[..., None]
        parts = [centered(part) for part in parts]
        squares = [SCALE**2 * ops.sum(ops.square(x), axis=-1) for x in parts]  # (..., T)
        scales = inverse_length(squares, self.normalize)
        weights = [SCALE * share * scale for scale in scales]
        means = [
            ops.matmul(w[..., None, :], x)[..., 0, :] for w, x in zip(weights, parts, strict=True)
        ]
        return ops.concatenate(means, axis=-1) if len(means) > 1 else means[0]  # (..., D)

    def get_config(self):
        return super().get_config() | {"normalize": self.normalize}


def _rows(x, places):
    """Returns the rows (B, S, D) of x (B, T, D) at places (B, S)."""
    videos, length, size = ops.shape(x)
    flat = ops.reshape(x, (-1, size))
    return ops.take(flat, places + length * ops.arange(videos)[:, None], axis=0)

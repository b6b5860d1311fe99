"""Named frame-level inputs, and what is done to their bytes.

Frames travel as bytes, padded to the longest video of the batch, until the frames that are wanted
are chosen: a float takes four times the room.
"""

from collections.abc import Mapping

import keras
from keras import ops

from yt8m_exp import spec
from yt8m_exp.models import devices
from yt8m_exp.models.inputs import Normalize, inverse_length, require_normalize
from yt8m_exp.models.sampling import Choose, Sampling


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
    """Returns bytes less `spec.BYTE_CENTER` as float32."""
    if keras.backend.standardize_dtype(x.dtype) == "uint8":
        x = ops.cast(x, "int32")  # on the way, as TensorFlow's CPUs are faster in two steps
    return ops.cast(x, "float32") - spec.BYTE_CENTER


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
        numbers = [centered(part) * spec.BYTE_SCALE for part in parts]
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
        squares = [spec.BYTE_SCALE**2 * ops.sum(ops.square(x), axis=-1) for x in parts]  # (..., T)
        scales = inverse_length(squares, self.normalize)
        weights = [spec.BYTE_SCALE * share * scale for scale in scales]
        means = [
            ops.matmul(w[..., None, :], x)[..., 0, :] for w, x in zip(weights, parts, strict=True)
        ]
        return ops.concatenate(means, axis=-1) if len(means) > 1 else means[0]  # (..., D)

    def get_config(self):
        return super().get_config() | {"normalize": self.normalize}

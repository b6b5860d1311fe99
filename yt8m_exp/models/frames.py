"""Named frame-level inputs, and how their bytes become numbers.

Frames stay bytes, padded to the longest video of the batch, until they are sampled: floats take
four times the memory.
"""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from yt8m_exp import spec
from yt8m_exp.models import devices, normalization
from yt8m_exp.models.normalization import Normalization, Normalize, inverse_length
from yt8m_exp.models.sampling import Sampling


def named(features: Mapping[str, int]) -> dict[str, keras.KerasTensor]:
    """Returns a uint8 input (B, T, D) for each feature, rgb first, and `frames`, int32 (B,).

    The first `frames` rows are a video's frames, T >= 1; the rows after them are padding, whatever
    their values.
    """
    ordered = sorted(features.items(), reverse=True)
    parts = {name: keras.Input((None, size), dtype="uint8", name=name) for name, size in ordered}
    return parts | {"frames": keras.Input((), dtype="int32", name="frames")}


def sampled(
    inputs: Mapping[str, keras.KerasTensor], sampling: Sampling
) -> tuple[list[keras.KerasTensor], keras.KerasTensor]:
    """Returns the bytes of the frames that a model uses, and the number of frames of each video.

    Args:
        inputs: see `named`.
        sampling: see the module `sampling`.
    """
    *parts, frames = inputs.values()
    return sampling(parts, frames)


def joined(
    inputs: Mapping[str, keras.KerasTensor], sampling: Sampling, normalize: Normalize
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns the features of the frames that a model uses, and the number of frames of each video.

    Args:
        inputs: see `named`.
        sampling: see the module `sampling`.
        normalize: see `Dequantize`.

    Returns:
        Features, float32 (B, T, D), zero in the padding, and frames, int32 (B,).

    Raises:
        InputError: `normalize` is not known, or does not fit the features.
    """
    require_fit(inputs, normalize)
    parts, frames = sampled(inputs, sampling)
    return Dequantize(normalize, dtype="float32", name="features")(parts, frames), frames


def max_frames(model: keras.Model) -> int:
    """Returns how many frames of a video a model uses at most, and the models inside it."""
    inside = [max_frames(layer) for layer in model.layers if isinstance(layer, keras.Model)]
    kept = [layer.max_frames for layer in model.layers if hasattr(layer, "max_frames")]
    return max([*inside, *kept], default=spec.MAX_FRAMES)


def require_fit(inputs: Mapping[str, keras.KerasTensor], normalize: Normalize) -> Normalization:
    """Returns what `normalize` does; raises InputError where it does not fit inputs of `named`."""
    sizes = {name: part.shape[-1] for name, part in inputs.items() if name != "frames"}
    return normalization.require_fit(normalize, sizes)


def mask(x: keras.KerasTensor, frames: keras.KerasTensor) -> keras.KerasTensor:
    """Returns whether each row of x (B, T, ...) is a frame, not padding, as booleans (B, T)."""
    return ops.arange(ops.shape(x)[1]) < frames[:, None]


@keras.saving.register_keras_serializable("yt8m_exp")
class Mask(keras.layers.Layer):
    """Returns `mask` of features (B, T, D) and frames (B,), for layers that take it."""

    def call(self, x, frames):
        return mask(x, frames)

    def compute_output_spec(self, x, frames):
        return keras.KerasTensor(x.shape[:2], dtype="bool")


@keras.saving.register_keras_serializable("yt8m_exp")
class Split(keras.layers.Layer):
    """Splits joined features (B, T, D) by the sizes of the features."""

    def __init__(self, sizes: Sequence[int], **layer) -> None:
        super().__init__(**layer)
        self.sizes = list(sizes)

    def call(self, x):
        return ops.split(x, np.cumsum(self.sizes)[:-1].tolist(), axis=-1)

    def compute_output_spec(self, x):
        return [keras.KerasTensor((*x.shape[:-1], size), dtype=x.dtype) for size in self.sizes]

    def get_config(self):
        return super().get_config() | {"sizes": self.sizes}


def centered(x: keras.KerasTensor, center: float = spec.BYTE_CENTER) -> keras.KerasTensor:
    """Returns bytes minus a center as float32."""
    if keras.backend.standardize_dtype(x.dtype) == "uint8":
        x = ops.cast(x, "int32")  # two casts are faster than one in TensorFlow on CPUs
    return ops.cast(x, "float32") - center


def _centered(parts: list[keras.KerasTensor], found: Normalization) -> list[keras.KerasTensor]:
    """Returns the bytes of features minus their centers, rgb first if it is un-whitened."""
    center = spec.BYTE_CENTER + found.shift / spec.BYTE_SCALE
    return [centered(parts[0], center), *map(centered, parts[1:])]


def dequantized(parts: list[keras.KerasTensor], found: Normalization) -> list[keras.KerasTensor]:
    """Returns the numbers that bytes of features stand for, rgb un-whitened if asked for."""
    found = found.of_features([part.shape[-1] for part in parts])
    steps = [spec.BYTE_SCALE * found.rgb_factors, *[spec.BYTE_SCALE] * len(parts[1:])]
    return [x * step for x, step in zip(_centered(parts, found), steps, strict=True)]


@keras.saving.register_keras_serializable("yt8m_exp")
class Dequantize(keras.layers.Layer):
    """Converts bytes to numbers, joins features, normalises each frame; padding becomes zero.

    Args:
        normalize: see `normalization.of`; each frame is normalised by itself. What un-whitens
            rgb expects it first.
    """

    def __init__(self, normalize: Normalize, **layer) -> None:
        super().__init__(**layer)
        self.normalize = normalize
        self.normalization = normalization.of(normalize)

    def call(self, parts, frames):
        is_frame = mask(parts[0], frames)[:, :, None]
        sizes = [part.shape[-1] for part in parts]
        found = self.normalization.of_features(sizes)
        numbers = dequantized(parts, found)
        squares = [ops.sum(ops.square(x), axis=-1, keepdims=True) for x in numbers]
        scales = inverse_length(squares, found, sizes)
        scales = [ops.where(is_frame, scale, 0.0) for scale in scales]
        numbers = [x * scale for x, scale in zip(numbers, scales, strict=True)]
        return ops.concatenate(numbers, axis=-1) if len(numbers) > 1 else numbers[0]

    def compute_output_spec(self, parts, frames):
        size = sum(part.shape[-1] for part in parts)
        return keras.KerasTensor((*parts[0].shape[:2], size), dtype="float32")

    def get_config(self):
        return super().get_config() | {"normalize": self.normalize}


@keras.saving.register_keras_serializable("yt8m_exp")
class MeanFrame(keras.layers.Layer):
    """Returns the mean over frames of what `Dequantize` returns, without its large tensor.

    The length of a frame follows from sums over its bytes, and the mean of normalised frames is a
    weighted mean of bytes, un-whitened afterwards. On CPUs, videos are averaged one by one, each
    without its padding: the numbers of one video stay in the cache. The mean of no frames is zero.

    Args:
        normalize: see `Dequantize`.
    """

    def __init__(self, normalize: Normalize, **layer) -> None:
        super().__init__(**layer)
        self.normalize = normalize
        self.normalization = normalization.of(normalize)

    def call(self, parts, frames):
        if keras.backend.backend() == "tensorflow" and not devices.has_gpu():
            return ops.map(lambda video: self._unpadded_mean(*video), (parts, frames))
        return self._mean(parts, frames)

    def compute_output_spec(self, parts, frames):
        size = sum(part.shape[-1] for part in parts)
        return keras.KerasTensor((frames.shape[0], size), dtype="float32")

    def _unpadded_mean(self, parts, frames):
        return self._mean([part[:frames] for part in parts], frames)

    def _mean(self, parts, frames):
        is_frame = ops.arange(ops.shape(parts[0])[-2]) < frames[..., None]
        share = (
            ops.cast(is_frame, "float32") / ops.maximum(ops.cast(frames, "float32"), 1)[..., None]
        )
        sizes = [part.shape[-1] for part in parts]
        found = self.normalization.of_features(sizes)
        parts = _centered(parts, found)
        squares = [spec.BYTE_SCALE**2 * square for square in _squares(parts, found)]  # (..., T)
        scales = inverse_length(squares, found, sizes)
        weights = [spec.BYTE_SCALE * share * scale for scale in scales]
        means = [
            ops.matmul(w[..., None, :], x)[..., 0, :] for w, x in zip(weights, parts, strict=True)
        ]
        means[0] = means[0] * found.rgb_factors
        return ops.concatenate(means, axis=-1) if len(means) > 1 else means[0]  # (..., D)

    def get_config(self):
        return super().get_config() | {"normalize": self.normalize}


def _squares(parts: list[keras.KerasTensor], found: Normalization) -> list[keras.KerasTensor]:
    """Returns the squared length of each frame's features, that of rgb un-whitened."""
    if found.factors is None:
        return [ops.sum(ops.square(x), axis=-1) for x in parts]
    rgb, *others = map(ops.square, parts)
    return [ops.matmul(rgb, np.square(found.factors)), *(ops.sum(x, axis=-1) for x in others)]

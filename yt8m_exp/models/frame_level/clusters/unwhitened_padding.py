"""The padding of frames as in the source's code of NeXtVLAD: zeros, un-whitened as frames are."""

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from yt8m_exp import spec
from yt8m_exp.models import frames, normalization
from yt8m_exp.models.normalization import Normalize


def fill(
    named: Mapping[str, keras.KerasTensor],
    x: keras.KerasTensor,
    is_frame: keras.KerasTensor,
    normalize: Normalize,
) -> keras.KerasTensor:
    """Returns frames (B, T, D) whose padding is as in the source's code: un-whitened zeros."""
    if frames.require_fit(named, normalize).factors is None:
        return x
    return UnwhitenedPadding(normalize, dtype="float32", name="padding")(x, is_frame)


@keras.saving.register_keras_serializable("yt8m_exp")
class UnwhitenedPadding(keras.layers.Layer):
    """Gives the padding of frames (B, T, D), by their mask (B, T), the value of un-whitened zeros.

    Args:
        normalize: what un-whitens rgb, which is first; see `normalization.of`.
    """

    def __init__(self, normalize: Normalize, **layer) -> None:
        super().__init__(**layer)
        self.normalize = normalize

    def call(self, x, is_frame):
        found = normalization.of(self.normalize)
        padding = np.zeros(x.shape[-1], np.float32)
        padding[: spec.RGB] = -found.shift * found.rgb_factors
        return ops.where(is_frame[:, :, None], x, padding)

    def get_config(self):
        return super().get_config() | {"normalize": self.normalize}

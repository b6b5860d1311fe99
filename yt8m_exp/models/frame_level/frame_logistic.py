"""A classifier on the mean of a video's frames."""

from collections.abc import Mapping

import keras

from yt8m_exp.models import frames
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import Normalize
from yt8m_exp.models.sampling import Sampling


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    sampling: Sampling,
    head: Head,
    normalize: Normalize,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Source: FrameLevelLogisticModel of google/youtube-8m, frame_level_models.py.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        head: classifies the mean; see the module `heads`.
        normalize: see `frames.Dequantize`.
        dropout: share of the mean's values that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    frames.require_fit(named, normalize)
    parts, count = frames.sampled(named, sampling)
    x = frames.MeanFrame(normalize, dtype="float32", name="mean")(parts, count)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(named, head(x, classes), name="frame_logistic")

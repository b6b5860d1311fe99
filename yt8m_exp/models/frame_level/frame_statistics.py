"""A classifier on statistics of a video's frames: means, deviations and largest values."""

from collections.abc import Mapping

import keras

from yt8m_exp.models import frames
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import Normalize
from yt8m_exp.models.sampling import Sampling
from yt8m_exp.models.statistics import Statistics


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    sampling: Sampling,
    head: Head,
    normalize: Normalize,
    std: bool,
    top: int,
    count: bool,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        head: classifies the statistics; see the module `heads`.
        normalize: see `Statistics`.
        std: see there.
        top: see there.
        count: see there.
        dropout: share of the statistics that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    frames.require_fit(named, normalize)
    parts, kept = frames.sampled(named, sampling)
    statistics = Statistics(normalize, std, top, count, dtype="float32", name="statistics")
    x = statistics(parts, kept)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(named, head(x, classes), name="frame_statistics")

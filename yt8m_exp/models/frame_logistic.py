"""A classifier on the mean of a video's frames."""

from collections.abc import Mapping

import keras

from yt8m_exp import spec
from yt8m_exp.models import frames, heads, inputs
from yt8m_exp.models.sampling import Sampling


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    max_frames: int = spec.MAX_FRAMES,
    sampling: Sampling = "none",
    samples: int = 30,
    normalize: inputs.Normalize = "each",
    dropout: float = 0.0,
    head: heads.Head = "logistic",
    experts: int = 2,
    l2: float = 1e-8,
    bias: float = 0.0,
    even_start: bool = False,
) -> keras.Model:
    """Builds the model.

    Source: FrameLevelLogisticModel of google/youtube-8m, frame_level_models.py.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        max_frames: see `sampling.Choose`.
        sampling: see `sampling.Choose`.
        samples: see `sampling.Choose`.
        normalize: see `frames.Dequantize`.
        dropout: share of the mean's values dropped in training.
        head: see `heads.head`.
        experts: see `heads.moe`.
        l2: weight of the regulariser; see `heads.logistic`.
        bias: the logit that every class starts from.
        even_start: see `heads.moe`.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    parts, count = frames.chosen(named, max_frames=max_frames, sampling=sampling, samples=samples)
    x = frames.MeanFrame(normalize, dtype="float32", name="mean")(parts, count)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    probabilities = heads.head(
        x, classes, head=head, experts=experts, l2=l2, bias=bias, even_start=even_start
    )
    return keras.Model(named, probabilities, name="frame_logistic")

"""Late fusion: each feature of the frames is pooled by itself, then a layer joins them.

Source: the models "LF" of https://github.com/antoine77340/Youtube-8M-WILLOW.
"""

from collections.abc import Callable, Mapping

import keras

from yt8m_exp.models import frames
from yt8m_exp.models.batch_norm import BatchNorm
from yt8m_exp.models.frame_level.clusters.assignment import normal
from yt8m_exp.models.normalization import Normalize
from yt8m_exp.models.requirements import require_positive
from yt8m_exp.models.sampling import Sampling
from yt8m_exp.spec import InputError

Pool = Callable[[str], keras.layers.Layer]


def pooled(
    named: Mapping[str, keras.KerasTensor], sampling: Sampling, normalize: Normalize, pool: Pool
) -> keras.KerasTensor:
    """Normalises frames over the batch, and pools each feature; returns the results side by side.

    Args:
        named: see `frames.named`.
        sampling: see the module `sampling`.
        normalize: see `normalization.of`.
        pool: returns the layer that pools the feature of a name.
    """
    x, count = frames.joined(named, sampling, normalize)
    is_frame = frames.Mask(name="mask")(x, count)
    x = BatchNorm(name="input_norm")(x, is_frame)
    return apart(named, x, is_frame, pool)


def apart(
    named: Mapping[str, keras.KerasTensor],
    x: keras.KerasTensor,
    is_frame: keras.KerasTensor,
    pool: Pool,
    *,
    prefix: str = "",
) -> keras.KerasTensor:
    """Pools each feature by itself; returns the results side by side (B, P).

    Args:
        named: see `frames.named`.
        x: joined features (B, T, D).
        is_frame: which are frames, not padding, booleans (B, T).
        pool: returns the layer that pools the feature of a name; it takes its part of x, and
            `is_frame`.
        prefix: begins the names of layers.
    """
    sizes = {name: tensor.shape[-1] for name, tensor in named.items() if name != "frames"}
    split = [x]
    if len(sizes) > 1:
        split = frames.Split(list(sizes.values()), name=f"{prefix}split")(x)
    found = [pool(name)(part, is_frame) for name, part in zip(sizes, split, strict=True)]
    return found[0] if len(found) == 1 else keras.layers.Concatenate(name=f"{prefix}pooled")(found)


def share(name: str, whole: int, audio_share: float) -> int:
    """Returns how many of `whole` clusters or groups the feature of a name has, at least 1.

    Raises:
        InputError: the share is not in (0, 1].
    """
    if not 0 < audio_share <= 1:
        raise InputError(f"`0 < audio_share <= 1` must hold, but got audio_share={audio_share}.")
    return max(int(whole * audio_share), 1) if name == "audio" else whole


def hidden(
    x: keras.KerasTensor, *, units: int, clusters: int, relu: bool, dropout: float
) -> keras.KerasTensor:
    """Returns a hidden layer (B, H) on what was pooled.

    Args:
        x: what was pooled (B, P).
        units: H.
        clusters: K, by which weights are initialised, as in the source.
        relu: whether the layer is normalised and has the activation relu6; if not, it has biases
            and no activation, as in all published recipes of the source.
        dropout: share of x that is dropped in training.

    Raises:
        InputError: there are no units.
    """
    require_positive(units=units)
    x = keras.layers.Dropout(dropout, name="dropout")(x) if dropout else x
    x = keras.layers.Dense(
        units,
        use_bias=not relu,
        kernel_initializer=normal(clusters),
        bias_initializer=keras.initializers.RandomNormal(0.0, 0.01),
        name="hidden",
    )(x)
    if not relu:
        return x
    x = BatchNorm(name="hidden_norm")(x)
    return keras.layers.Activation("relu6", name="activation")(x)

"""Several models as one: a weighted mean of their predictions over shared inputs."""

from collections.abc import Mapping, Sequence
from typing import Literal

import keras
from keras import ops

from yt8m_exp import spec
from yt8m_exp.models import frames, inputs
from yt8m_exp.models.frames import MeanFrame
from yt8m_exp.models.requirements import require_choice
from yt8m_exp.models.sampling import AllFrames
from yt8m_exp.spec import InputError

Mean = Literal["logits", "probabilities"]
MEAN = "mean_"
"""How the name of a video-level feature begins: `mean_rgb` is the mean of the frames' `rgb`."""
_TINY, _HALF_ULP = 1e-30, 2.0**-24  # below them, float32 holds no probability and no rest of one


def build(members: Sequence[keras.Model], weights: Sequence[float], *, mean: Mean) -> keras.Model:
    """Builds the ensemble.

    Members of video and of frame level stand side by side: if one takes frames, the ensemble does,
    and gives the means of all frames to those that take means.

    Args:
        members: models from named features to probabilities of the same classes.
        weights: of each member, 0 or more, with a sum of 1.
        mean: of what: see `WeightedMean`.

    Returns:
        A model from the members' features to probabilities, float32 (B, C).

    Raises:
        InputError: the members take a feature in different sizes, or have other classes.
    """
    sizes = _sizes(members)
    if any("frames" in member.input for member in members):
        named = frames.named(sizes)
        given = _frames_and_means(named, _max_frames(members))
    else:
        named = given = inputs.named(sizes)
    predictions = [
        _renamed(member, number)({name: given[name] for name in member.input})
        for number, member in enumerate(members, start=1)
    ]
    mixed = WeightedMean(weights, mean, dtype="float32", name="probabilities")(predictions)
    return keras.Model(named, mixed, name="ensemble")


@keras.saving.register_keras_serializable("yt8m_exp")
class WeightedMean(keras.layers.Layer):
    """Mixes predictions (B, C).

    Args:
        weights: of each member, 0 or more, with a sum of 1.
        mean: `probabilities` are averaged themselves; of `logits`, the mean is turned back to a
            probability, so that a member that is certain counts more.

    Raises:
        InputError: an argument is none of these.
    """

    def __init__(self, weights: Sequence[float], mean: Mean, **layer) -> None:
        super().__init__(**layer)
        if min(weights) < 0 or abs(sum(weights) - 1) > 1e-6:
            raise InputError(f"`weights >= 0`, with a sum of 1, must hold, but got {weights}.")
        require_choice(Mean, mean=mean)
        self.weights_of_members = [float(weight) for weight in weights]
        self.mean = mean

    def call(self, predictions):
        if self.mean == "probabilities":
            return self._sum(predictions)
        return ops.sigmoid(self._sum([logit(p) for p in predictions]))

    def _sum(self, values):
        return sum(w * x for w, x in zip(self.weights_of_members, values, strict=True))

    def compute_output_spec(self, predictions):
        return keras.KerasTensor(predictions[0].shape, dtype="float32")

    def get_config(self):
        return super().get_config() | {"weights": self.weights_of_members, "mean": self.mean}


def logit(p: keras.KerasTensor) -> keras.KerasTensor:
    """Returns log(p / (1 - p)) of probabilities in float32, finite also of 0 and 1."""
    return ops.log(ops.maximum(p, _TINY)) - ops.log(ops.maximum(1 - p, _HALF_ULP))


def _sizes(members: Sequence[keras.Model]) -> dict[str, int]:
    """Returns the size of each feature that the ensemble takes."""
    classes = {member.output.shape[-1] for member in members}
    if len(classes) != 1:
        raise InputError(f"Members must have the same classes, but got {sorted(classes)} of them.")
    framed = any("frames" in member.input for member in members)
    sizes: dict[str, int] = {}
    for member in members:
        for name, tensor in member.input.items():
            feature = name.removeprefix(MEAN) if framed else name
            size = sizes.setdefault(feature, tensor.shape[-1])
            if feature != "frames" and size != tensor.shape[-1]:
                raise InputError(
                    f"Members must take a feature in the same size, but {feature} has {size} and "
                    f"{tensor.shape[-1]}."
                )
    return {name: size for name, size in sizes.items() if name != "frames"}


def _max_frames(members: Sequence[keras.Model]) -> int:
    """Returns how many frames the ensemble takes: all, if a member takes their mean."""
    if any("frames" not in member.input for member in members):
        return spec.MAX_FRAMES
    found = [frames.max_frames(member) for member in members]
    return max(found)


def _frames_and_means(
    named: Mapping[str, keras.KerasTensor], max_frames: int
) -> dict[str, keras.KerasTensor]:
    """Returns frames under their names, and their means under those of video-level features."""
    names, parts = list(named)[:-1], list(named.values())
    kept, count = AllFrames(max_frames)(parts[:-1], parts[-1])
    given = dict(zip(names, kept, strict=True)) | {"frames": count}
    return given | {
        f"{MEAN}{name}": MeanFrame("none", dtype="float32", name=f"{MEAN}{name}")([part], count)
        for name, part in zip(names, kept, strict=True)
    }


def _renamed(member: keras.Model, number: int) -> keras.Model:
    """Returns a member under a name that no other has."""
    return keras.Model(member.input, member.output, name=f"member_{number}_{member.name}")

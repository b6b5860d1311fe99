"""In which order a checkpoint of the starter code joins its features, and the rows put into ours.

Its models take one vector of all features, in the order of the flag `--feature_names`. The flags
lie beside the checkpoint in `model_flags.json`; the weights do not tell. Ours put rgb before audio.

Source: google/youtube-8m, `train.py` and `readers.py`.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.spec import InputError

logger = logging.getLogger(__name__)

FLAGS = "model_flags.json"


def order(
    path: Path, size: int, prefix: str, given: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Returns the features' sizes by name, in the checkpoint's order, and says who told.

    Args:
        path: the checkpoint, or its folder.
        size: how many values all features have together.
        prefix: what the names of features begin with.
        given: sizes by name in the checkpoint's order, where the user knows.

    Raises:
        InputError: the flags or the size tell nothing of the features.
    """
    flags = (path if path.is_dir() else path.parent) / FLAGS
    if given:
        found, source = dict(given), "as given"
    elif flags.is_file():
        found, source = _of_flags(flags), f"as in {flags}"
    else:
        found, source = _of_size(size, prefix), "assumed from their size"
    hint = ""
    if len(found) > 1 and not given and not flags.is_file():
        hint = (
            ", and rgb first as in most trainings: nothing at hand tells. Where --feature_names was"
            " another, give features={...} in its order; shards=... measures which is right"
        )
    sizes = ", ".join(f"{name} ({values})" for name, values in found.items())
    logger.info("Features of the checkpoint: %s, %s%s.", sizes, source, hint)
    return found


def rows(features: Mapping[str, int]) -> NDArray:
    """Returns which row of the checkpoint each row of ours is, int (D,)."""
    starts = dict(zip(features, np.cumsum([0, *features.values()])[:-1].tolist(), strict=True))
    ours = sorted(features, reverse=True)  # as `models.inputs.named`
    return np.concatenate([starts[name] + np.arange(features[name]) for name in ours])


def reordered(
    weights: Mapping[str, NDArray], names: Sequence[str], features: Mapping[str, int]
) -> dict[str, NDArray]:
    """Returns weights whose rows of features are in our order.

    Args:
        weights: by name, as the checkpoint has them.
        names: of the variables that have a row for each value of the features.
        features: sizes by name, in the checkpoint's order.
    """
    ours = rows(features)
    fitting = [name for name in names if name in weights and len(weights[name]) == len(ours)]
    return {**weights, **{name: weights[name][ours] for name in fitting}}


def _of_flags(path: Path) -> dict[str, int]:
    try:
        flags = json.loads(path.read_bytes())
        names = [name.strip() for name in flags["feature_names"].split(",")]
        sizes = [int(size) for size in str(flags["feature_sizes"]).split(",")]
        return dict(zip(names, sizes, strict=True))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected the starter code's flags, with as many feature_names as "
            f"feature_sizes ({error}). Give features={{...}} in the order of the training."
        ) from None


def _of_size(size: int, prefix: str) -> dict[str, int]:
    sizes = {"rgb": spec.RGB, "audio": spec.AUDIO}
    for names in (["rgb", "audio"], ["rgb"], ["audio"]):
        if sum(sizes[name] for name in names) == size:
            return {prefix + name: sizes[name] for name in names}
    raise InputError(
        f"Features of {spec.RGB}, {spec.AUDIO} or {spec.RGB + spec.AUDIO} values are known by "
        f"their size, but the checkpoint has {size}. Name them: features={{{prefix}rgb: {size}}}."
    )

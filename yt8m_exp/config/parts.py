"""The types and ranges of the keys inside the groups that Hydra builds: models, losses, launchers.

A key has one meaning in all of them, so its name alone decides; keys of models that are not
shipped need no entry, and are checked by what is built.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from yt8m_exp.spec import Normalize

Count = Annotated[int, Field(ge=1, lt=2**31)]
Bytes = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Text = Annotated[str, Field(min_length=1)]

TYPES: dict[str, Any] = {
    # models, heads, samplers
    "normalize": Normalize,
    "dropout": BelowOne,
    "input_dropout": BelowOne,
    "cluster_dropout": BelowOne,
    "reduced": Share,
    "units": Count,
    "layers": Count,
    "clusters": Count,
    "activation": Literal["sigmoid", "relu6", "relu", "elu", "gelu"],
    "pooling": Literal["max", "average", "last", "token", "attention"],
    "batch_norm": bool,
    "experts": Count,
    "l2": NotNegative,
    "initial_bias": float,
    "gate_initializer": Literal["zeros", "glorot_uniform"],
    "gate_rank": Count | None,
    "gated_by": Literal["none", "probabilities", "features"],
    "remove_diagonal": bool,
    "l2_of_biases": bool,
    "reduction": Count,
    "audio_share": Share,
    "centers": Literal["subtract", "gate", "none"],
    "pooled_norm": Literal["l2", "batch"],
    "hidden_relu": bool,
    "coupled": bool,
    "coupling": Positive,
    "intra_norm": Literal["both", "first"],
    "softmax": bool,
    "max_pooling": bool,
    "audio_max_pooling": bool,
    "groups": Count,
    "expansion": Count,
    "count_padding": bool,
    "branches": Count,
    "temperature": Positive,
    "distillation_weight": NotNegative,
    "mean_of_padding": bool,
    "stages": Count,
    "keeps": Literal["all", "last"],
    "auxiliary_weight": Annotated[float, Field(ge=0, le=1)],
    "noise": NotNegative,
    "states": Literal["last", "all", "memory", "attention"],
    "chained": bool,
    "backwards": bool,
    "reset_after": bool,
    "gated": bool,
    "branched": bool,
    "heads": Count,
    "position_units": Annotated[int, Field(ge=0)],
    "positions": Literal["none", "learned", "sinusoidal"],
    "apart": Annotated[int, Field(ge=0)],
    "feed_forward": Count,
    "padded": bool,
    "shape": list[Count],
    "std": bool,
    "top": Annotated[int, Field(ge=0)],
    "count": bool,
    "method": Literal["random", "run", "stride"],
    "samples": Count,
    "max_frames": Count,
    # losses, optimizers, schedules
    "epsilon": NotNegative,
    "margin": float,
    "absent_focus": NotNegative,
    "present_focus": NotNegative,
    "label_weights": Text | None,
    "beta_1": BelowOne,
    "beta_2": BelowOne,
    "rho": BelowOne,
    "momentum": BelowOne,
    "nesterov": bool,
    "weight_decay": NotNegative,
    "initial_accumulator_value": NotNegative,
    "warmup_examples": NotNegative,
    "decay": Annotated[float, Field(gt=0, le=1)],
    "decay_examples": Positive,
    # launchers
    "devices": list[Annotated[int, Field(ge=0)] | Text] | None,
    "megabytes": Count | None,
    "preload": list[Text],
    "address": Text | None,
    "resources": dict[str, Positive] | None,
}


def keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted key and the type of each key of `TYPES` in the groups of a configuration.

    Args:
        values: a configuration as plain data; a group in it is a mapping with a `_target_`.
        prefix: of its keys.
    """
    for key, value in values.items():
        if "_target_" in values and key in TYPES:
            yield f"{prefix}{key}", TYPES[key]
        elif isinstance(value, Mapping):
            yield from keys(value, f"{prefix}{key}.")


def built(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yields the dotted keys, each with a dot behind it, of the groups that Hydra builds."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            if "_target_" in value:
                yield f"{prefix}{key}."
            yield from built(value, f"{prefix}{key}.")

"""How each model of the starter code is built here, and what its variables are called there.

Source: google/youtube-8m, `video_level_models.py` and `frame_level_models.py`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.models.frame_level import dbof, frame_logistic, lstm
from yt8m_exp.models.heads import Head, Logistic, MixtureOfExperts
from yt8m_exp.models.sampling import AllFrames, FrameSampler
from yt8m_exp.models.video_level import logistic, moe
from yt8m_exp.spec import InputError

Weights = Mapping[str, NDArray]

NAMES = {
    "classifier/kernel": "fully_connected/weights",
    "classifier/bias": "fully_connected/biases",
    "gates/kernel": "gates/weights",
    "experts/kernel": "experts/weights",
    "experts/bias": "experts/biases",
    "bag/kernel": "cluster_weights",
    "bag/bias": "cluster_biases",
    "hidden/kernel": "hidden1_weights",
    "hidden/bias": "hidden1_biases",
} | {
    f"{ours}/{part}": f"{theirs}/{part}"
    for ours, theirs in (
        ("bag/input_norm", "input_bn"),
        ("bag/cluster_norm", "cluster_bn"),
        ("hidden_norm", "hidden1_bn"),
    )
    for part in ("gamma", "beta", "moving_mean", "moving_variance")
}
"""The starter code's name of each of our variables, but for the cells of an LSTM."""
INPUT_NORM = tuple(name for name in NAMES.values() if name.startswith("input_bn/"))
CELL = "rnn/multi_rnn_cell/cell_{}/basic_lstm_cell"
L2, INITIAL_BIAS = 1e-8, 0.0


class Kind(NamedTuple):
    """How a model of the starter code is built here.

    Attributes:
        build: makes the model.
        rows: the variables that have a row for each value of the joined features, first one that
            is always there.
        flags: the starter code's defaults of what no weight shows.
        sizes: reads the builder's sizes, if it has any, from the weights.
        prefix: what the features' names begin with.
    """

    build: Callable[..., keras.Model]
    rows: tuple[str, ...]
    flags: Mapping[str, Any]
    sizes: Callable[[Weights], dict[str, Any]] = lambda weights: {}
    prefix: str = ""


def kinds() -> dict[str, Kind]:
    """Returns the kinds of models by our names."""
    shared = {"normalize": "joint", "dropout": 0.0}
    of_frames = shared | {"max_frames": spec.MAX_FRAMES}
    bag = {"method": "random", "samples": 30, "activation": "sigmoid", "pooling": "max"}
    return {
        "logistic": Kind(logistic.build, ("fully_connected/weights",), shared, prefix="mean_"),
        "moe": Kind(moe.build, ("experts/weights", "gates/weights"), shared, prefix="mean_"),
        "frame_logistic": Kind(frame_logistic.build, ("fully_connected/weights",), of_frames),
        "dbof": Kind(dbof.build, ("cluster_weights", *INPUT_NORM), of_frames | bag, _dbof),
        "lstm": Kind(lstm.build, (f"{CELL.format(0)}/kernel",), of_frames, _lstm),
    }


def head_of(weights: Weights) -> tuple[int, Head]:
    """Returns the number of classes, and the head."""
    if "fully_connected/weights" in weights:
        return weights["fully_connected/biases"].size, Logistic(L2, INITIAL_BIAS)
    gates, experts = weights["gates/weights"].shape[1], weights["experts/weights"].shape[1]
    classes = gates - experts  # each class has one more gate than experts
    if classes < 1 or experts % classes:
        raise InputError(
            "A mixture must have classes * (experts + 1) gates and classes * experts experts, but "
            f"the checkpoint has {gates} and {experts}."
        )
    return classes, MixtureOfExperts(experts // classes, L2, INITIAL_BIAS, "glorot_uniform")


def with_sampling(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the builder's arguments: the sampler in place of its own, if the model has one."""
    given = {key: settings[key] for key in ("method", "samples", "max_frames") if key in settings}
    others = {key: value for key, value in settings.items() if key not in given}
    if not given:
        return others
    return others | {"sampling": (FrameSampler if "method" in given else AllFrames)(**given)}


def _dbof(weights: Weights) -> dict[str, Any]:
    clusters, units = weights["hidden1_weights"].shape
    return {"clusters": clusters, "units": units, "batch_norm": "cluster_bn/gamma" in weights}


def _lstm(weights: Weights) -> dict[str, Any]:
    layers = sum(name.endswith("basic_lstm_cell/kernel") for name in weights)
    sizes = {"units": len(weights[f"{CELL.format(0)}/recurrent_kernel"]), "layers": layers}
    others = {"backwards": False, "chained": False, "heads": 1, "position_units": 0}
    return sizes | others | {"states": "last"}


def name_of(path: str) -> str:
    """Returns the starter code's name of one of our variables."""
    cell = re.fullmatch(r"layer_(\d+)/lstm_cell/(\w+)", path)
    return f"{CELL.format(cell[1])}/{cell[2]}" if cell else NAMES[path]

"""Checkpoints of Google's starter code (TensorFlow 1 format), read into our models.

Source: google/youtube-8m, `video_level_models.py` and `frame_level_models.py`. A checkpoint holds
the weights under `tower/`, and training's own variables, which are not read. What flags set and no
weight shows, such as the activation of `dbof`, is taken from the flags' defaults of 2019.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.models.frame_level import dbof, frame_logistic, lstm
from yt8m_exp.models.heads import Head, Logistic, MixtureOfExperts
from yt8m_exp.models.sampling import AllFrames, FrameSampler
from yt8m_exp.models.video_level import logistic, moe
from yt8m_exp.spec import InputError, MissingInputError
from yt8m_exp.training.starter import starter_features

Weights = Mapping[str, NDArray]

SCOPE = "tower/"
LEFT = re.compile(
    r"(.*/)?(global_step|beta[12]_power|Adam(_1)?|RMSProp(_1)?|Adagrad|Momentum|Ftrl(_1)?|"
    r"ExponentialMovingAverage)"
)
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


class Checkpoint(NamedTuple):
    """A checkpoint that was read, to be built as a model of ours.

    Attributes:
        path: where it lies.
        kind: our name of the model.
        weights: by name; the kernel of an LSTM's cell as our two.
    """

    path: Path
    kind: str
    weights: Weights

    def order(self, given: Mapping[str, int] | None = None) -> dict[str, int]:
        """Returns sizes of the features by name as they are joined; see `starter_features.order`.

        Raises:
            InputError: the checkpoint is of another model, or its features are unknown.
        """
        found = _kinds()[self.kind]
        with self._fitting():
            size = len(self.weights[found.rows[0]])
        return starter_features.order(self.path, size, found.prefix, given)

    def model(self, features: Mapping[str, int], options: Mapping[str, Any] = {}) -> keras.Model:
        """Builds the model; see `load`."""
        kind = _kinds()[self.kind]
        _require_known(options, kind.flags)
        with self._fitting():
            classes, head = _head(self.weights)
            settings = _with_sampling({**kind.flags, **kind.sizes(self.weights), **options})
        weights = starter_features.reordered(self.weights, kind.rows, features)
        model = kind.build(features, classes, head=head, **settings)
        if problems := _problems(model, weights):
            raise InputError(self._misfit("; ".join(problems)))
        for variable in model.weights:
            variable.assign(weights[_name(variable.path)])
        return model

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        try:
            yield
        except KeyError as missing:
            raise InputError(self._misfit(f"{missing.args[0]} is missing")) from None

    def _misfit(self, problem: str) -> str:
        found = ", ".join(f"{name} {values.shape}" for name, values in self.weights.items())
        return (
            f"{self.path} does not fit `{self.kind}`: {problem}. Is it of another model? It holds "
            f"{found}."
        )


def load(
    path: str | Path,
    kind: str,
    *,
    features: Mapping[str, int] | None = None,
    options: Mapping[str, Any] = {},
) -> keras.Model:
    """Builds a model with the weights of a checkpoint; all sizes are those of the weights.

    Args:
        path: the checkpoint's prefix, as `train/model.ckpt-1000`, or its folder for the last one.
        kind: our name of the model.
        features: sizes of the features by name, in the order in which the checkpoint joins them;
            None where its flags or its size tell, see `starter_features.order`.
        options: values of the model's keys that differ from the starter code's default flags;
            see `_kinds`.

    Raises:
        MissingInputError: there is no checkpoint.
        InputError: the checkpoint is damaged, or does not fit the model or the features.
    """
    found = opened(path, kind)
    return found.model(found.order(features), options)


def opened(path: str | Path, kind: str) -> Checkpoint:
    """Reads a checkpoint of a kind of model; see `load`."""
    kinds = _kinds()
    if kind not in kinds:
        raise InputError(f"`kind` must be one of {', '.join(kinds)}, but got {kind!r}.")
    return Checkpoint(Path(path), kind, _split_cells(read(path)))


def read(path: str | Path) -> Weights:
    """Reads the weights of a checkpoint by name, without those of optimizers and averages.

    Raises:
        MissingInputError: there is no checkpoint.
        InputError: the checkpoint is damaged.
    """
    prefix = tf.train.latest_checkpoint(path) if Path(path).is_dir() else str(path)
    if not prefix or not Path(f"{prefix}.index").is_file():
        raise MissingInputError(
            f"No checkpoint at {str(path)!r}. Name the part before `.index`, as "
            "train/model.ckpt-1000, or a folder with a file `checkpoint`."
        )
    try:
        reader = tf.train.load_checkpoint(prefix)
        names = [name for name in reader.get_variable_to_shape_map() if not LEFT.fullmatch(name)]
        return {name.removeprefix(SCOPE): reader.get_tensor(name) for name in sorted(names)}
    except (tf.errors.OpError, RuntimeError, ValueError, LookupError) as error:
        raise InputError(
            f"{prefix}: the checkpoint cannot be read ({error}). Copy it anew."
        ) from error


def _kinds() -> dict[str, Kind]:
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


def _head(weights: Weights) -> tuple[int, Head]:
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


def _with_sampling(settings: Mapping[str, Any]) -> dict[str, Any]:
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


def _split_cells(weights: Weights) -> Weights:
    """Returns the weights with what a cell of an LSTM has in one kernel as the two of ours."""
    split: dict[str, NDArray] = {}
    for name in weights:
        cell, _, part = name.rpartition("/")
        if part == "kernel" and f"{cell}/bias" in weights and cell.endswith("basic_lstm_cell"):
            ours = lstm.from_basic_cell(weights[name], weights[f"{cell}/bias"])
            parts = ("kernel", "recurrent_kernel", "bias")
            split |= {f"{cell}/{part}": values for part, values in zip(parts, ours, strict=True)}
    return {**weights, **split}


def _name(path: str) -> str:
    """Returns the starter code's name of one of our variables."""
    cell = re.fullmatch(r"layer_(\d+)/lstm_cell/(\w+)", path)
    return f"{CELL.format(cell[1])}/{cell[2]}" if cell else NAMES[path]


def _require_known(options: Mapping[str, Any], flags: Mapping[str, Any]) -> None:
    if not options.keys() <= flags.keys():
        raise InputError(f"`options` must be among {', '.join(flags)}, but got {dict(options)}.")


def _problems(model: keras.Model, weights: Weights) -> list[str]:
    """Returns where the weights are not those of the model, in words."""
    shapes = {_name(variable.path): tuple(variable.shape) for variable in model.weights}
    missing = [f"{name} {shapes[name]} is missing" for name in shapes.keys() - weights.keys()]
    extra = [f"{name} {weights[name].shape} is unknown" for name in weights.keys() - shapes.keys()]
    other = [
        f"{name} is {weights[name].shape} where {shape} must be"
        for name, shape in shapes.items()
        if name in weights and weights[name].shape != shape
    ]
    return sorted(missing + extra + other)

"""Checkpoints of Google's starter code (TensorFlow 1 format), read into our models.

Source: google/youtube-8m, `video_level_models.py` and `frame_level_models.py`. A checkpoint holds
the weights under `tower/`, and training's own variables, which are not read. What flags set and no
weight shows, such as the activation of `dbof`, is taken from the flags' defaults of 2019.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from numpy.typing import NDArray

from yt8m_exp.models.frame_level import lstm
from yt8m_exp.spec import InputError, MissingInputError
from yt8m_exp.training.starter import starter_features
from yt8m_exp.training.starter.starter_models import (
    Weights,
    head_of,
    kinds,
    name_of,
    with_sampling,
)

SCOPE = "tower/"
TRAINING_ONLY = re.compile(
    r"(.*/)?(global_step|beta[12]_power|Adam(_1)?|RMSProp(_1)?|Adagrad|Momentum|Ftrl(_1)?|"
    r"ExponentialMovingAverage)"
)


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
        found = kinds()[self.kind]
        with self._fitting():
            size = len(self.weights[found.rows[0]])
        return starter_features.order(self.path, size, found.prefix, given)

    def model(self, features: Mapping[str, int], options: Mapping[str, Any] = {}) -> keras.Model:
        """Builds the model; see `load`."""
        kind = kinds()[self.kind]
        _require_known(options, kind.flags)
        with self._fitting():
            classes, head = head_of(self.weights)
            settings = with_sampling({**kind.flags, **kind.sizes(self.weights), **options})
        weights = starter_features.reordered(self.weights, kind.rows, features)
        model = kind.build(features, classes, head=head, **settings)
        if problems := _problems(model, weights):
            raise InputError(self._misfit("; ".join(problems)))
        for variable in model.weights:
            variable.assign(weights[name_of(variable.path)])
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
            see `starter_models.kinds`.

    Raises:
        MissingInputError: there is no checkpoint.
        InputError: the checkpoint is damaged, or does not fit the model or the features.
    """
    found = opened(path, kind)
    return found.model(found.order(features), options)


def opened(path: str | Path, kind: str) -> Checkpoint:
    """Reads a checkpoint of a kind of model; see `load`."""
    if kind not in kinds():
        raise InputError(f"`kind` must be one of {', '.join(kinds())}, but got {kind!r}.")
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
        names = [
            name for name in reader.get_variable_to_shape_map() if not TRAINING_ONLY.fullmatch(name)
        ]
        return {name.removeprefix(SCOPE): reader.get_tensor(name) for name in sorted(names)}
    except (tf.errors.OpError, RuntimeError, ValueError, LookupError) as error:
        raise InputError(
            f"{prefix}: the checkpoint cannot be read ({error}). Copy it anew."
        ) from error


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


def _require_known(options: Mapping[str, Any], flags: Mapping[str, Any]) -> None:
    if not options.keys() <= flags.keys():
        raise InputError(f"`options` must be among {', '.join(flags)}, but got {dict(options)}.")


def _problems(model: keras.Model, weights: Weights) -> list[str]:
    """Returns where the weights are not those of the model, in words."""
    shapes = {name_of(variable.path): tuple(variable.shape) for variable in model.weights}
    missing = [f"{name} {shapes[name]} is missing" for name in shapes.keys() - weights.keys()]
    extra = [f"{name} {weights[name].shape} is unknown" for name in weights.keys() - shapes.keys()]
    other = [
        f"{name} is {weights[name].shape} where {shape} must be"
        for name, shape in shapes.items()
        if name in weights and weights[name].shape != shape
    ]
    return sorted(missing + extra + other)

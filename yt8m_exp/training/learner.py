"""A model and its optimizer, as one thing that is trained, saved and restored."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from yt8m_exp.spec import InputError, NotFiniteError, OutsideError
from yt8m_exp.training import checkpoints
from yt8m_exp.training.step import averaged


@dataclass(frozen=True)
class Learner:
    """A model and its optimizer, built for each other.

    Attributes:
        model: from named features to probabilities.
        optimizer: built for the model's trainable variables.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer

    @property
    def optimizer_name(self) -> str:
        """The class of the optimizer: equal shapes do not mean equal moments."""
        return type(self.optimizer).__name__

    def size(self) -> dict[str, int]:
        """Returns the parameters of the model, and the bytes that they take."""
        values = [variable.value for variable in self.model.variables]
        size = sum(math.prod(value.shape) * value.dtype.size for value in values)
        return {"model/parameters": self.model.count_params(), "model/bytes": size}

    def values(self) -> list[np.ndarray]:
        """Returns all values that training changes: weights, random states, moments, averages."""
        return [variable.numpy() for variable in self._variables()]

    def restore(self, path: Path) -> dict[str, Any]:
        """Restores a checkpoint; returns the plain data stored with it.

        Raises:
            InputError: the checkpoint is damaged, or belongs to another model or optimizer.
        """
        values, facts = checkpoints.load(path)
        variables = self._variables()
        theirs, ours = [v.shape for v in values], [tuple(v.shape) for v in variables]
        if theirs != ours or facts["optimizer"] != self.optimizer_name:
            raise InputError(
                f"A checkpoint must fit the model and the optimizer, but it holds {len(theirs)} "
                f"variables of {facts['optimizer']} where these are {len(ours)} of "
                f"{self.optimizer_name}, or other shapes. Resume with the configuration that the "
                "run was started with."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return facts

    def take_weights(self, model: keras.Model) -> list[str]:
        """Copies the weights of another model with the same layers, to fine-tune it.

        Weights that belong to classes stay as they are if the other model has more or fewer.

        Returns:
            The names of the weights that stayed.

        Raises:
            InputError: the models differ in more than their classes.
        """
        theirs = {variable.path: variable for variable in model.weights}
        shapes = {path: tuple(variable.shape) for path, variable in theirs.items()}
        ours = {variable.path: tuple(variable.shape) for variable in self.model.weights}
        classes = model.output.shape[-1], self.model.output.shape[-1]
        different = sorted(path for path in ours | shapes if ours.get(path) != shapes.get(path))
        of_classes = [p for p in different if _follows(shapes.get(p), ours.get(p), classes)]
        if different != of_classes:
            path = different[0]
            raise InputError(
                f"Training must start from a model with the same weights, but `{path}` has the "
                f"shape {shapes.get(path)} there and {ours.get(path)} here (None: it is missing; "
                f"{len(different)} weights differ). Configure {self.model.name} as {model.name} "
                "was when it was trained."
            )
        for variable in self.model.weights:
            if variable.path not in of_classes:
                variable.assign(theirs[variable.path])
        return of_classes

    @contextmanager
    def with_weights(self, weights: Sequence[np.ndarray]) -> Iterator[None]:
        """Uses other weights of the model within the block."""
        variables = self.model.weights
        kept = [variable.numpy() for variable in variables]
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(value)
        try:
            yield
        finally:
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)

    def save_model(self, path: Path, *, as_it_is: bool = False) -> None:
        """Writes the model as a `.keras` file.

        Args:
            path: the file.
            as_it_is: whether it has the weights of now; otherwise it has their moving averages,
                where there are any.

        Raises:
            OSError: it cannot be written, as on a full disk. An older file is unchanged.
        """
        partial = path.with_name(f"partial-{path.name}")
        try:
            with nullcontext() if as_it_is else self.averaged():
                self.model.save(partial)
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OutsideError(
                error.errno,
                f"The model cannot be written ({error.strerror}). Checkpoints are untouched: make "
                "room, then go on with resume=<run id>",
                str(path),
            ) from error

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Uses averaged weights within the block; see `step.averaged`."""
        with averaged(self.model, self.optimizer):
            yield

    def require_finite(self) -> None:
        """Raises NotFiniteError where training has made a trained weight infinite or NaN."""
        for variable in self.model.trainable_variables:
            if not np.isfinite(variable.numpy()).all():
                raise NotFiniteError(
                    f"The weights must be finite, but `{variable.path}` is not. Lower "
                    "learning_rate, or set clip.norm; the checkpoints hold the weights from before."
                )

    def _variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.optimizer.variables]


Shape = tuple[int, ...]


def _follows(theirs: Shape | None, ours: Shape | None, classes: tuple[int, int]) -> bool:
    """Tells whether shapes differ only as the numbers of classes do, theirs and ours."""
    if theirs is None or ours is None or len(theirs) != len(ours) or classes[0] == classes[1]:
        return False
    pairs = zip(theirs, ours, strict=True)
    return all(
        a == b or (a % classes[0] == 0 and b == a // classes[0] * classes[1]) for a, b in pairs
    )

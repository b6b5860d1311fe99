"""The winners' own numbers of their models, and how our models are fed with them and compared.

A file of `tests/golden/zoo/` holds inputs, variables, predictions and gradients of a small model,
as the original code computed them; `full_` begins those of a batch without padding. A model that
draws frames is given those that were drawn; `even_` begins a batch whose frames were all drawn
equally often.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from yt8m_exp.models.auxiliary import supervised
from yt8m_exp.models.frame_level import lstm
from yt8m_exp.training.losses import cross_entropy

GOLDEN = Path(__file__).parents[1] / "golden" / "zoo"
Values = Mapping[str, np.ndarray]
EPSILON = {"linrongc/youtube-8m": 1e-8, "mpekalski/Y8M (video_level_code)": 1e-6}
"""What is added inside the loss's logarithms, if not 1e-5."""


class Case:
    """A model of the winners: its numbers and its flags."""

    def __init__(self, name: str) -> None:
        self.numbers = np.load(GOLDEN / f"{name}.npz")
        self.config = json.loads(str(self["config"]))
        self.flags = self.config["flags"]
        self.classes = self.config["classes"]
        self.epsilon = EPSILON.get(self.config["repository"], 1e-5)
        self.labels = np.where(self["labels"], np.arange(self.classes, dtype=np.int32), -1)
        self.features = {"x": self["input"].shape[-1]}
        self.draws = "sampled_frames" in self.numbers

    def __getitem__(self, key: str) -> np.ndarray:
        return self.numbers[key]

    def variables(self, kind: str = "var") -> dict[str, np.ndarray]:
        """Values by a variable's name in a checkpoint, or its gradient of the loss `grad`."""
        return {
            key.removeprefix(f"{kind}:").removeprefix("tower/"): self[key]
            for key in self.numbers.files
            if key.startswith(f"{kind}:")
        }


class Fed:
    """A model of ours with the weights of a case.

    Args:
        case: the winners' numbers.
        model: ours.
        ours: returns values for our variables by path, from the winners' by name. It is linear,
            but for what a cell adds to its bias when it runs.
        start: the layer whose output the case's frames are given for; None: the model's input.
    """

    def __init__(
        self,
        case: Case,
        model: keras.Model,
        ours: Callable[[Values], Values],
        *,
        start: str | None = "features",
    ) -> None:
        self.case, self.model, self.ours = case, model, ours
        values = ours(case.variables())
        assert values.keys() == {variable.path for variable in model.weights}
        for variable in model.weights:
            variable.assign(values[variable.path])
        trained, self.weights = supervised(model)
        inputs = model.input
        if start:
            inputs = [model.get_layer(start).output, model.get_layer("sampled").output[-1]]
        self.start, self.trained = start, keras.Model(inputs, trained.output)

    def outputs(self, feed: str = "", *, training: bool) -> list[tf.Tensor]:
        """What training supervises, the predictions first, of a feed: "", `full_` or `even_`."""
        x = tf.constant(self.case[f"{feed}input"])
        given = [x, tf.constant(self.case[f"{feed}num_frames"])] if self.start else {"x": x}
        if not feed and self.case.draws:
            x = tf.constant(self.case["sampled_frames"])
            given = [x, tf.fill([x.shape[0]], x.shape[1])]
        return keras.tree.flatten(self.trained(given, training=training))

    def loss(self, predictions: tf.Tensor) -> tf.Tensor:
        return cross_entropy(self.case.labels, predictions, epsilon=self.case.epsilon)

    def require_predictions(self, feeds: Mapping[str, str]) -> None:
        """Compares predictions in inference, by the feed of each key of the case."""
        for key, feed in feeds.items():
            found = self.outputs(feed, training=False)[0]
            np.testing.assert_allclose(found, self.case[key], atol=1e-5, rtol=0, err_msg=key)

    def require_training(self) -> None:
        """Compares predictions, losses and gradients in training."""
        weights = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape(persistent=True) as tape:
            outputs = self.outputs(training=True)
            losses = [self.loss(predictions) for predictions in outputs]
            total = sum(w * value for w, value in zip(self.weights, losses, strict=True))
            penalty = tf.add_n(self.model.losses)
            everything = total + penalty
        np.testing.assert_allclose(outputs[0], self.case["train_predictions"], atol=1e-5, rtol=0)
        np.testing.assert_allclose(total, self.case["train_label_loss"], rtol=1e-5)
        np.testing.assert_allclose(penalty, self.case["train_regularization_loss"], rtol=1e-4)
        for kind, value in (("grad", total), ("grad_total", everything)):
            self.require_gradients(tape.gradient(value, weights), kind)

    def require_averages(self) -> None:
        """Compares the moving averages after the one step of `require_training`."""
        after = self.ours(self.case.variables() | self.case.variables("after"))
        for variable in self.model.non_trainable_variables:
            expected = after.get(variable.path)
            np.testing.assert_allclose(variable, expected, atol=1e-5, err_msg=variable.path)

    def require_gradients(self, gradients: list[tf.Tensor], kind: str) -> None:
        """Compares gradients, to a ten-thousandth of the largest entry of a variable."""
        given = self.case.variables(kind)
        names = self.case.variables()
        given = {name: given.get(name, np.zeros_like(names[name])) for name in names}
        zero = self.ours({name: np.zeros_like(values) for name, values in names.items()})
        expected = self.ours(given)
        for variable, gradient in zip(self.model.trainable_variables, gradients, strict=True):
            value = expected[variable.path] - zero[variable.path]
            atol = max(1e-4 * np.abs(value).max(), 1e-6)
            np.testing.assert_allclose(
                gradient, value, atol=atol, rtol=0, err_msg=f"{kind}:{variable.path}"
            )


Ours = dict[str, np.ndarray]
"""Values of our variables by path."""


def moe_head(values: Values, gates: str = "gates", experts: str = "experts") -> Ours:
    return {
        "gates/kernel": values[f"{gates}/weights"],
        "experts/kernel": values[f"{experts}/weights"],
        "experts/bias": values[f"{experts}/biases"],
    }


def lstm_layer(values: Values, cell: str, layer: str) -> Ours:
    """Values of our layer of an LSTM, from those of a cell of TensorFlow 1."""
    cell = f"{cell}/basic_lstm_cell"
    parts = lstm.from_basic_cell(values[f"{cell}/kernel"], values[f"{cell}/bias"])
    names = ("kernel", "recurrent_kernel", "bias")
    return {f"{layer}/lstm_cell/{n}": part for n, part in zip(names, parts, strict=True)}


def gru_layer(values: Values, cell: str, layer: str) -> Ours:
    """Values of our layer of a GRU: gates r, u and the candidate become z, r, h."""

    def ordered(part):
        r, u = np.split(values[f"{cell}/gru_cell/gates/{part}"], 2, axis=-1)
        return np.concatenate([u, r, values[f"{cell}/gru_cell/candidate/{part}"]], axis=-1)

    kernels, units = ordered("kernel"), len(ordered("bias")) // 3
    kernel, recurrent_kernel = np.split(kernels, [len(kernels) - units])
    return {
        f"{layer}/gru_cell/kernel": kernel,
        f"{layer}/gru_cell/recurrent_kernel": recurrent_kernel,
        f"{layer}/gru_cell/bias": ordered("bias"),
    }

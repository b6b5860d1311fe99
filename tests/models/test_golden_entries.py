"""Every entry of the starter code's golden models: none may be left out, not even by its name."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.checkpoints import golden_weights, write_checkpoint
from tests.models.starter_code import Golden, as_bytes, behind
from yt8m_exp.models import sampling
from yt8m_exp.models.frame_level import lstm
from yt8m_exp.models.frames import Dequantize
from yt8m_exp.training import step
from yt8m_exp.training.losses import cross_entropy
from yt8m_exp.training.starter.starter_checkpoints import load
from yt8m_exp.training.starter.starter_models import NAMES

KINDS = {
    "logistic": "logistic",
    "moe2": "moe",
    "frame_logistic": "frame_logistic",
    "dbof_bn": "dbof",
    "dbof_nobn": "dbof",
    "lstm2": "lstm",
}
VIDEO = ("logistic", "moe2")
NOTHING = ("uniforms", "num_frames")
"""What video-level models have no use for, and but for DBoF no model for the former."""


class Case(Golden):
    """A golden file that notes which of its entries were looked at."""

    def __init__(self, name, folder):
        self.seen = set()
        super().__init__(name)
        self.name, self.kind = name, KINDS[name]
        self.config = json.loads(str(self["config"]))
        write_checkpoint(folder / "model.ckpt-1", golden_weights(name))
        self.seen |= {key for key in self.numbers.files if key.startswith("var:")}
        options = {"samples": self.config["flags"]["iterations"]} if self.kind == "dbof" else {}
        features = {"x": self.config["features"]}
        self.model = load(folder / "model.ckpt-1", self.kind, features=features, options=options)

    def __getitem__(self, key):
        self.seen.add(key)
        return super().__getitem__(key)

    def predict(self, training):
        """What the model makes of the golden input."""
        if self.name in VIDEO:
            return self.model({"x": self["input_raw"]}, training=training)
        if self.kind == "frame_logistic":
            mean = self.model.get_layer("mean")([as_bytes(self["input_raw"])], self["num_frames"])
            return behind(self.model, "mean")(mean, self["num_frames"], training)
        if self.kind == "dbof":
            chosen = np.full(self.config["batch"], self.config["flags"]["iterations"], np.int32)
            return behind(self.model, "features")(self["sampled_frames"], chosen, training)
        x = self["input_l2_normalized"]
        return behind(self.model, "features")(x, self["num_frames"], training)

    def normalized(self):
        """What the model normalises the golden input to."""
        if self.name in VIDEO:
            layer = self.model.get_layer("normalized")
            return keras.Model(self.model.input, layer.output)({"x": self["input_raw"]})
        return Dequantize("joint")([as_bytes(self["input_raw"])], self["num_frames"])

    def ours(self, kind):
        """The starter code's values for our variables, by path."""
        values = {}
        for variable in self.model.weights:
            if "lstm_cell" not in variable.path:
                key = f"{kind}:tower/{NAMES[variable.path]}"
                values |= {variable.path: self[key]} if key in self.numbers else {}
        for layer in range(self.config["flags"].get("lstm_layers", 0)):
            cell = f"{kind}:tower/rnn/multi_rnn_cell/cell_{layer}/basic_lstm_cell"
            parts = lstm.from_basic_cell(self[f"{cell}/kernel"], self[f"{cell}/bias"])
            forget = lstm.from_basic_cell(*map(np.zeros_like, (parts[0], parts[2])))[2]
            for part, value in zip(("kernel", "recurrent_kernel", "bias"), parts, strict=True):
                less = forget if part == "bias" else 0
                values[f"layer_{layer}/lstm_cell/{part}"] = value - less
        return values


@pytest.mark.parametrize("name", KINDS)
def test_every_entry_of_a_golden_model_is_reproduced(name, tmp_path):
    case = Case(name, tmp_path)
    labels, model = case.labels, case.model
    penalty = tf.add_n(model.losses)
    np.testing.assert_allclose(penalty, case["infer_regularization_loss"], rtol=1e-5)
    np.testing.assert_allclose(case.predict(False), case["infer_predictions"], atol=1e-6)
    loss = cross_entropy(labels, case.predict(False))
    np.testing.assert_allclose(loss, case["infer_loss"], rtol=1e-6)

    inside = np.ones(case["input_raw"].shape[:-1], bool)
    if name not in VIDEO:
        inside = np.arange(inside.shape[1]) < case["num_frames"][:, None]
    x = np.asarray(case.normalized())
    np.testing.assert_allclose(x[inside], case["input_l2_normalized"][inside], atol=1e-6)

    trained = []

    def predict():
        trained.append(case.predict(True))
        return trained[-1]

    norm = case.config["clip_norm_of_grad_clipped"]
    with tf.GradientTape() as tape:
        loss = cross_entropy(labels, predict())
        penalty = tf.add_n(model.losses)
        total = loss + penalty
    grads = tape.gradient(total, [variable.value for variable in model.trainable_variables])
    np.testing.assert_allclose(trained[0], case["train_predictions"], atol=1e-6)
    np.testing.assert_allclose(loss, case["train_loss"], rtol=1e-6)
    np.testing.assert_allclose(penalty, case["train_regularization_loss"], rtol=1e-5)
    short = step.clipped(grads, step.Clip(norm), step.clip_groups(model))
    for kind, found in (("grad", grads), (f"grad_clipped_{norm}", short)):
        expected = case.ours(kind)
        assert expected.keys() == {variable.path for variable in model.trainable_variables}
        for variable, gradient in zip(model.trainable_variables, found, strict=True):
            np.testing.assert_allclose(gradient, expected[variable.path], atol=1e-6)
    after = case.ours("after_one_update") if case.kind == "dbof" else {}
    for variable in model.weights:
        if variable.path in after and not variable.trainable:
            np.testing.assert_allclose(variable, after[variable.path], atol=1e-6)

    if case.kind == "dbof":
        places = np.asarray(sampling.random_indices(case["uniforms"], case["num_frames"]))
        frames = np.take_along_axis(case["input_l2_normalized"], places[:, :, None], axis=1)
        np.testing.assert_allclose(frames, case["sampled_frames"], atol=1e-6)
    left = set(case.numbers.files) - case.seen
    assert left <= set(NOTHING), left

"""The winners' own numbers, and how their variables become those of our models.

`tests/golden/zoo/` holds what the code of winning teams made of tiny inputs: variables, predictions,
gradients, averages. A case names its model class and flags; from these follow a configuration of
ours and, for each of our variables, the name of theirs.
"""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.models import configured
from tests.models.starter_code import behind
from yt8m_exp.models import auxiliary
from yt8m_exp.training.losses import cross_entropy

ZOO = Path(__file__).parents[1] / "golden" / "zoo"
EPSILON = {"linrongc/youtube-8m": 1e-8}
"""What a team adds inside the logarithms of the loss; 1e-5 where it is not named."""
NORM = ("gamma", "beta", "moving_mean", "moving_variance")


class Case:
    """A file of the zoo, and the model of ours that has its variables."""

    def __init__(self, path: Path) -> None:
        self.numbers = np.load(path)
        self.config: dict[str, Any] = json.loads(str(self.numbers["config"]))
        self.name, self.overrides = ours(self.config["model_class"], self.config["flags"])

    def __getitem__(self, key: str) -> np.ndarray:
        return self.numbers[key]

    def __contains__(self, key: str) -> bool:
        return key in self.numbers

    @cached_property
    def model(self) -> keras.Model:
        model = configured.build(self.name, self.features, self.config["classes"], *self.overrides)
        for variable in model.weights:
            variable.assign(self.value("var", variable))
        return model

    @property
    def features(self) -> dict[str, int]:
        if self.config["level"] == "video":
            return {"x": self.config["width"]}
        return {name: self.config[name] for name in ("rgb", "audio")}

    def value(self, kind: str, variable: keras.Variable) -> np.ndarray:
        """Returns the array of a kind (`var`, `grad`, `after` ...) that belongs to a variable."""
        name = theirs(variable.path, self.config["model_class"])
        value = self[f"{kind}:{'/'.join(filter(None, (self.config['variable_scope'], name)))}"]
        if name.endswith("/gate_weights"):  # (1, K, D)
            value = np.swapaxes(value, 1, 2)
        return value.reshape(variable.shape)

    def predict(self, feed: str = "", *, training: bool = False) -> list[tf.Tensor]:
        """Returns the model's predictions of a feed, then the auxiliary ones."""
        trained = auxiliary.supervised(self.model).model
        if self.config["level"] == "video":
            return keras.tree.flatten(trained({"x": self[f"{feed}input"]}, training=training))
        x, count = self[f"{feed}input"], self[f"{feed}num_frames"]
        if not feed and self.config["sampling"] == "random":
            x = self["sampled_frames"]
            count = np.full(len(x), x.shape[1], np.int32)
        return keras.tree.flatten(behind(trained, "features")(x, count, training))

    def gradients(self) -> tuple[float, dict[str, list[tf.Tensor]], list[tf.Tensor]]:
        """Returns the loss of the labels, gradients of losses and total, and predictions."""
        variables = [variable.value for variable in self.model.trainable_variables]
        weights = auxiliary.supervised(self.model).weights
        with tf.GradientTape(persistent=True) as tape:
            predictions = self.predict(training=True)
            losses = [self.loss(p) for p in predictions]
            label_loss = tf.add_n([w * loss for w, loss in zip(weights, losses, strict=True)])
            total = tf.add_n([label_loss, *self.model.losses])
        kinds = {"grad": label_loss, "grad_total": total}
        zero = tf.UnconnectedGradients.ZERO
        found = {
            k: tape.gradient(v, variables, unconnected_gradients=zero) for k, v in kinds.items()
        }
        return losses[0], found, predictions

    def loss(self, predictions: tf.Tensor) -> tf.Tensor:
        present = self["labels"] > 0
        labels = np.where(present, np.arange(present.shape[1], dtype=np.int32), -1)
        epsilon = EPSILON.get(self.config["repository"], 1e-5)
        return cross_entropy(labels, predictions, epsilon=epsilon)


def ours(model_class: str, flags: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Returns the name of our model and its overrides, from a model class of a winner and flags."""
    if model_class == "MoeModel":
        return "moe", ["normalize=joint", *_moe(flags)]
    if model_class in ("NeXtVLADModel", "MixNeXtVladModel"):
        return _nextvlad(model_class, flags)
    return _willow(model_class, flags)


def _moe(flags: Mapping[str, Any]) -> list[str]:
    gated = "none"
    if flags.get("moe_prob_gating"):
        by_features = flags.get("moe_prob_gating_input", "prob") != "prob"
        gated = "features" if by_features else "probabilities"
    rank = flags.get("moe_low_rank_gating", -1)
    return [
        "head=moe",
        f"head.experts={flags.get('moe_num_mixtures', 2)}",
        f"head.l2={flags.get('moe_l2', 1e-8)}",
        f"head.gate_rank={'null' if rank == -1 else rank}",
        f"head.gated_by={gated}",
        f"head.remove_diagonal={flags.get('gating_remove_diag', False)}",
    ]


def _willow(model_class: str, flags: Mapping[str, Any]) -> tuple[str, list[str]]:
    kind, name, more = {
        "NetVLADModelLF": ("netvlad", "netvlad", []),
        "NetFVModelLF": ("fv", "netfv", ["intra_norm=first"]),
        "SoftDbofModelLF": ("dbof", "soft_dbof", []),
        "DbofModelLF": ("dbof", "soft_dbof", ["softmax=false", "max_pooling=true"]),
        "GatedDbofModelLF": ("dbof", "gated_dbof", []),
    }[model_class]
    clusters = {"dbof": 16384}.get(kind, 64)
    units = {"netvlad": 1024}.get(kind, 2048)
    overrides = [
        *more,
        "normalize=joint",
        f"clusters={flags.get(f'{kind}_cluster_size', clusters)}",
        f"units={flags.get(f'{kind}_hidden_size', units)}",
        f"hidden_relu={flags.get(f'{kind}_relu', True)}",
        *_moe(flags),
    ]
    gated = kind != "dbof" and flags.get("gating", False)
    overrides.append(f"gate={'context' if gated else 'none'}")
    if gated:
        overrides.append(f"gate.remove_diagonal={flags.get('gating_remove_diag', False)}")
    if name == "netvlad" and flags.get("lightvlad"):
        return "netrvlad", overrides
    if name == "netvlad":
        overrides.append(f"centers={'gate' if flags.get('vlagd') else 'subtract'}")
    if name == "netfv":
        overrides.append(f"coupled={flags.get('fv_couple_weights', True)}")
        overrides.append(f"coupling={flags.get('fv_coupling_factor', 0.01)}")
    if flags.get("softdbof_maxpool"):
        key = "audio_max_pooling" if name == "gated_dbof" else "max_pooling"
        overrides.append(f"{key}=true")
    return name, overrides


def _nextvlad(model_class: str, flags: Mapping[str, Any]) -> tuple[str, list[str]]:
    logistic = flags.get("video_level_classifier_model") == "LogisticModel"
    l2 = flags.get("l2_penalty", 1e-8)
    head = ["head=nextvlad/logistic", f"head.l2={l2}"] if logistic else _moe(flags)
    overrides = [
        "normalize=none",
        f"clusters={flags.get('nextvlad_cluster_size', 64)}",
        f"units={flags.get('nextvlad_hidden_size', 1024)}",
        f"groups={flags.get('groups', 8)}",
        f"expansion={flags.get('expansion', 2)}",
        f"gate.reduction={flags.get('gating_reduction', 8)}",
        f"dropout={flags.get('drop_rate', 0.5)}",
        "count_padding=true",
        *head,
    ]
    if model_class == "NeXtVLADModel":
        return "nextvlad", overrides
    return "mix_nextvlad", [
        *overrides,
        "mean_of_padding=true",
        f"branches={flags.get('mix_number', 3)}",
        f"temperature={flags.get('cl_temperature', 2)}",
        f"distillation_weight={flags.get('cl_lambda', 1.0)}",
    ]


SCOPES = {
    "NetVLADModelLF": ("video_VLAD", "audio_VLAD"),
    "NetFVModelLF": ("video_FV", "audio_FV"),
    "NeXtVLADModel": ("video_VLAD", "audio_VLAD"),
    "MixNeXtVladModel": ("video_vlad", "audio_vlad"),
}
"""The scopes of what pools rgb and audio; those of bags of frames where no class is named."""
POOLED = {
    "assignment/kernel": "cluster_weights",
    "assignment/norm": "cluster_bn",
    "center": "cluster_weights2",
    "deviation": "covar_weights",
    "squeeze_kernel": "dim_red",
    "excite_kernel": "cluster_weights_2",
    "norm": "cluster_bn_2",
    "expanded_kernel": "fully_connected/weights",
    "expanded_bias": "fully_connected/biases",
    "attention_kernel": "fully_connected_1/weights",
    "attention_bias": "fully_connected_1/biases",
    "cluster_kernel": "cluster_weights",
    "cluster_norm": "cluster_bn",
}
BEHIND = {
    "input_norm": "input_bn",
    "hidden/kernel": "hidden1_weights",
    "hidden/bias": "hidden1_biases",
    "hidden_norm": "hidden1_bn",
    "gate/kernel": "gating_weights_2",
    "gate/squeeze_kernel": "gating_weights_1",
    "gate/excite_kernel": "gating_weights_2",
    "gate/norm": "gating_bn",
    "gates/kernel": "gates/weights",
    "gates_reduced/kernel": "gates1/weights",
    "experts/kernel": "experts/weights",
    "experts/bias": "experts/biases",
    "gated_probabilities/kernel": "gating_prob_weights",
    "gated_probabilities/norm": "gating_prob_bn",
    "classifier/kernel": "fully_connected/weights",
    "classifier/bias": "fully_connected/biases",
    "mix_norm": "mix_weights_bn",
    "mix_weights/kernel": "mix_weights/weights",
    "mix_weights/bias": "mix_weights/biases",
}


def theirs(path: str, model_class: str) -> str:
    """Returns a winner's name of our variable, without the scope of the whole model."""
    if path.startswith("branch_"):
        _, number, rest = path.split("_", 2)
        return f"branch_{number}/{theirs(rest, model_class)}"
    whole, _, part = path.rpartition("/")
    if part in NORM:
        return f"{_named(whole, model_class)}/{part}"
    return _named(path, model_class)


def _named(path: str, model_class: str) -> str:
    layer, _, rest = path.partition("/")
    for feature, scope in zip(
        ("rgb_", "audio_"), SCOPES.get(model_class, ("video_DBOF", "audio_DBOF")), strict=True
    ):
        if layer.startswith(feature):
            if rest == "norm" and "NeXt" in model_class:
                return f"{scope}/vlad_bn"
            return f"{scope}/{POOLED[rest]}"
    return BEHIND[path]

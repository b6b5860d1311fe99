"""How variables and flags of the winners' pooling models become ours.

A case of `tests/golden/zoo/` names its model class and flags. From these follow a configuration of
ours and, for each of our variables, the name of theirs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.models import configured
from tests.models.zoo import Case, Fed, Values

NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def fed(case: Case, *overrides: str) -> Fed:
    """Returns our model of a case, with its weights; more overrides win."""
    model_class = case.config["model_class"]
    name, words = ours(model_class, case.flags)
    video_level = case.config["level"] == "video"
    features = case.features
    if not video_level:
        features = {name: case.config[name] for name in ("rgb", "audio")}
    model = configured.build(name, features, case.classes, *words, *overrides)

    def values(given: Values) -> Values:
        return {
            variable.path: _value(given, theirs(variable.path, model_class), variable.shape)
            for variable in model.weights
        }

    return Fed(case, model, values, start=None if video_level else "features")


def _value(given: Values, name: str, shape: tuple[int, ...]) -> np.ndarray:
    value = np.asarray(given[name])
    if name.endswith("/gate_weights"):  # (1, K, D)
        value = np.swapaxes(value, 1, 2)
    return value.reshape(shape)


WILLOW = {
    "NetVLADModelLF": ("netvlad", "netvlad", []),
    "NetFVModelLF": ("fv", "netfv", ["intra_norm=first"]),
    "SoftDbofModelLF": ("dbof", "soft_dbof", []),
    "DbofModelLF": ("dbof", "soft_dbof", ["softmax=false", "max_pooling=true"]),
    "GatedDbofModelLF": ("dbof", "gated_dbof", []),
}
"""How the flags of a class begin, our model, and its overrides."""
CLASSES = {*WILLOW, "MoeModel", "NeXtVLADModel", "MixNeXtVladModel"}


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
    kind, name, more = WILLOW[model_class]
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
    head = [f"head.l2={l2}"] if logistic else _moe(flags)
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

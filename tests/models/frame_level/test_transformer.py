import keras
import numpy as np
import pytest
from hydra.errors import InstantiationException

from tests.models import configured, zoo
from tests.models.zoo import Case, Fed

CASES = ["transformer_mean", "transformer_last"]
POOLING = {"mean": "average", "first": "last", "attn": "attention"}


def ours(values, heads):
    """The winners' values by the path of our variables."""
    found, number = zoo.moe_head(values), 0
    while f"encoder/layer_{number}/output/dense/bias" in values:
        theirs, mine = f"encoder/layer_{number}", f"layer_{number}"
        for part in ("query", "key", "value"):
            name = f"{theirs}/attention/self/{part}"
            kernel, bias = values[f"{name}/kernel"], values[f"{name}/bias"]
            found[f"{mine}_attention/{part}/kernel"] = kernel.reshape(len(kernel), heads, -1)
            found[f"{mine}_attention/{part}/bias"] = bias.reshape(heads, -1)
        output = f"{theirs}/attention/output"
        kernel = values[f"{output}/dense/kernel"]
        path = f"{mine}_attention/attention_output"
        found[f"{path}/kernel"] = kernel.reshape(heads, -1, kernel.shape[1])
        found[f"{path}/bias"] = values[f"{output}/dense/bias"]
        for part in ("kernel", "bias"):
            found[f"{mine}_hidden/{part}"] = values[f"{theirs}/intermediate/dense/{part}"]
            found[f"{mine}_output/{part}"] = values[f"{theirs}/output/dense/{part}"]
        for part in ("gamma", "beta"):
            found[f"{mine}_attention_norm/{part}"] = values[f"{output}/LayerNorm/{part}"]
            found[f"{mine}_output_norm/{part}"] = values[f"{theirs}/output/LayerNorm/{part}"]
        number += 1
    if "pooler/query" in values:
        found["query/kernel"] = values["pooler/query"][0]
    return found


def fed(name, padded):
    case = Case(name)
    flags, heads = case.flags, case.flags["bert_attention_heads"]
    words = {
        "units": case.features["x"],
        "layers": flags["bert_hidden_layer"],
        "heads": heads,
        "feed_forward": case.config["bert_config"]["intermediate_size"],
        "pooling": POOLING[flags["pooling_strategy"]],
        "padded": padded,
        "dropout": flags["bert_dropout_prob"],
        "sampling": "none",
        "head.experts": 5,
        "head.l2": flags["moe_l2"],
    }
    overrides = [f"{key}={value}" for key, value in words.items()]
    model = configured.build("transformer", case.features, case.classes, *overrides)
    return Fed(case, model, lambda values: ours(values, heads))


@pytest.mark.parametrize("name", CASES)
def test_with_padding_predictions_losses_and_gradients_are_the_winners(name):
    found = fed(name, padded=True)
    found.require_predictions({"infer_predictions": "", "full_infer_predictions": "full_"})
    found.require_training()


@pytest.mark.parametrize("name", CASES)
def test_without_padding_the_default_predicts_what_the_winners_do(name):
    found = fed(name, padded=False)
    found.require_predictions({"full_infer_predictions": "full_"})
    leaked = found.outputs("", training=False)[0] - found.case["infer_predictions"]
    whole = found.case["num_frames"] == found.case["input"].shape[1]
    assert np.abs(leaked[whole]).max() < 1e-5
    assert (np.abs(leaked[~whole]).max(axis=1) > 1e-3).all()


def small(*words):
    return configured.build_small("transformer", {"x": 6}, 4, "sampling=none", *words)


def predict(model, x):
    count = np.full(len(x), x.shape[1], np.int32)
    return np.asarray(model({"x": x, "frames": count}))


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["average", "max", "attention", "token"])
def test_the_order_of_frames_matters_only_with_positions(pooling):
    x = np.random.default_rng(0).integers(0, 256, (3, 5, 6), np.uint8)
    for positions, matters in (("none", False), ("learned", True), ("sinusoidal", True)):
        configured.seed(0)
        model = small(f"pooling={pooling}", f"positions={positions}")
        rng = np.random.default_rng(1)
        model.set_weights([w + rng.normal(size=w.shape) for w in model.get_weights()])
        moved = np.abs(predict(model, x) - predict(model, x[:, ::-1])).max()
        assert (moved > 1e-5) == matters, positions


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("layers=0", "`layers >= 1` must hold, but got layers=0"),
        ("heads=0", "`heads >= 1` must hold, but got heads=0"),
        ("pooling=first", "`pooling` must be average, max, last, token or attention"),
        ("positions=fixed", "`positions` must be none, learned or sinusoidal"),
        ("apart=1", "units must be 6, but is 16"),
    ],
)
def test_an_option_out_of_its_range_is_refused(word, sentence):
    with pytest.raises(InstantiationException, match=sentence):
        small(word)


def test_layers_apart_see_one_feature_each_and_the_others_see_all():
    features = {"rgb": 6, "audio": 4}
    words = ("sampling=none", "normalize=each", "apart=2", "units=10", "heads=2")
    model = configured.build_small("transformer", features, 4, *words)
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(size=w.shape) for w in model.get_weights()])
    x = {key: rng.integers(0, 256, (3, 5, size), np.uint8) for key, size in features.items()}
    x |= {"frames": np.full(3, 5, np.int32)}
    names = ["rgb_layer_1_output_norm", "audio_layer_1_output_norm", "layer_0_output_norm"]
    inside = keras.Model(model.input, [model.get_layer(name).output for name in names])
    rgb, audio, together = (
        np.abs(a - b).max()
        for a, b in zip(inside(x), inside(x | {"audio": x["audio"][::-1]}), strict=True)
    )
    assert rgb == 0
    assert audio > 1e-3
    assert together > 1e-3

"""Models that read the frames in order: predictions and gradients are the winners' own."""

import keras
import numpy as np
import pytest
from hydra.errors import InstantiationException

from tests.models import configured, zoo
from tests.models.zoo import Case, Fed

FEEDS = {"infer_predictions": "", "full_infer_predictions": "full_"}
STACK, WAYS = "rnn/multi_rnn_cell/cell_{}", "bidirectional_rnn/{}/multi_rnn_cell/cell_0"
CASES = {
    "gru2": "gru",
    "lstm2_all_states": "lstm",
    "lstm_memory_1": "lstm",
    "lstm_attention": "lstm",
    "bilstm_logistic": "bilstm",
    "bigru_logistic": "bigru",
}
STATES = {"LstmMemoryModel": "memory", "LstmAttentionMaxPoolingModel": "attention"}
STATES["LstmPositionalAttentionMaxPoolingModel"] = "attention"


def words(case, kind):
    """Overrides of our model by the winners' flags."""
    flags, both_ways = case.flags, kind.startswith("bi")
    is_gru = kind.endswith("gru")
    found = {
        "normalize": "joint",
        "units": flags.get("gru_cells" if kind == "gru" else "lstm_cells"),
        "layers": 1 if both_ways else flags["gru_layers" if kind == "gru" else "lstm_layers"],
        "head.l2": flags.get("moe_l2", 1e-8),
    }
    if is_gru:
        found["reset_after"] = "false"
    if not both_ways:
        found["states"] = STATES.get(case.config["model_class"], "all")
        found["heads"] = flags.get("lstm_attentions", 1)
        found["position_units"] = flags.get("positional_embedding_size", 0)
    if both_ways:
        found["gated"] = str(flags.get("gating", False)).lower()
    if flags.get("video_level_classifier_model") == "LogisticModel":
        found["head"] = "logistic"
    else:
        found |= {"head": "moe", "head.experts": flags.get("moe_num_mixtures", 2)}
    return [f"{key}={value}" for key, value in found.items()]


def ours(values, kind):
    """The winners' values by the path of our variables."""
    layer = zoo.gru_layer if kind.endswith("gru") else zoo.lstm_layer
    found, number = {}, 0
    for way, name in (("fw", "forward"), ("bw", "backward")):
        if kind.startswith("bi"):
            found |= layer(values, WAYS.format(way), name)
    top = "" if kind.startswith("bi") else "RNN/"
    while any(name.startswith(top + STACK.format(number)) for name in values):
        found |= layer(values, top + STACK.format(number), f"layer_{number}")
        number += 1
    names = {
        "attention/kernel": "attention-/weights",
        "attention/bias": "attention-/biases",
        "gate/kernel": "gating_weights_2",
        "gate/bias": "gating_biases",
        "classifier/kernel": "fully_connected/weights",
        "classifier/bias": "fully_connected/biases",
    }
    found |= {path: values[name] for path, name in names.items() if name in values}
    if "positional_embedding" in values:
        found["positions/table"] = values["positional_embedding"][0]
    if "classifier/kernel" in found:
        return found
    if "attention/kernel" in found:
        return found | zoo.moe_head(values, "gates-sub-moe", "experts-sub-moe")
    return found | zoo.moe_head(values)


@pytest.fixture(scope="module", params=CASES)
def fed(request):
    case, kind = Case(request.param), CASES[request.param]
    overrides = [*words(case, kind), f"sampling.max_frames={case['input'].shape[1]}"]
    model = configured.build(kind, case.features, case.classes, *overrides)
    return Fed(case, model, lambda values: ours(values, kind))


def test_predictions_are_the_winners(fed):
    fed.require_predictions(FEEDS)


def test_losses_and_gradients_are_the_winners(fed):
    fed.require_training()


@pytest.mark.parametrize(
    ("kind", "word", "sentence"),
    [
        ("gru", "states=memory", "`states=memory` needs the cells of an LSTM"),
        ("lstm", "states=first", "must be last, all, memory or attention, but got 'first'"),
        ("bilstm", "states=attention", "must be last, all or memory, but got 'attention'"),
        ("bigru", "units=7", "`units` must be even"),
        ("lstm", "heads=0", "`heads >= 1` and `position_units >= 0` must hold"),
    ],
)
def test_an_option_out_of_its_range_is_refused(kind, word, sentence):
    more = ["states=attention"] if kind == "lstm" and "states" not in word else []
    with pytest.raises(InstantiationException, match=sentence):
        configured.build_small(kind, {"x": 3}, 2, *more, word)


def test_reading_backwards_is_reading_the_reversed_video():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (3, 5, 4), np.uint8)
    count = np.array([5, 2, 0], np.int32)
    turned = x.copy()
    for video, frames in zip(turned, count, strict=True):
        video[:frames] = video[:frames][::-1]
    models = [
        configured.build_small("lstm", {"x": 4}, 3, f"backwards={word}") for word in (True, False)
    ]
    models[1].set_weights(models[0].get_weights())
    found = models[0]({"x": x, "frames": count})
    np.testing.assert_allclose(found, models[1]({"x": turned, "frames": count}), atol=1e-6)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_attention_with_positions_sees_the_order_of_states(kind):
    words = ("states=attention", "position_units=3", "heads=2", "sampling.max_frames=4")
    model = configured.build_small(kind, {"x": 4}, 3, *words)
    assert model.get_layer("attention").kernel.shape == (4 + 3 + 4 + 16, 2)
    assert model.get_layer("positions").table.shape == (4, 3)
    x = np.zeros((1, 9, 4), np.uint8)
    assert model({"x": x, "frames": np.array([9], np.int32)}).shape == (1, 3)


@pytest.mark.slow
def test_a_branched_model_reads_each_feature_by_itself_and_no_padding():
    rng = np.random.default_rng(0)
    sizes = {"rgb": 6, "audio": 4}
    model = configured.build_small(
        "bigru", sizes, 3, "branched=true", "gated=false", "normalize=none", "head=logistic"
    )
    states = keras.Model(model.input, model.get_layer("branches").output)
    given = {name: rng.integers(0, 256, (3, 5, size), np.uint8) for name, size in sizes.items()}
    given["frames"] = np.array([5, 2, 0], np.int32)
    found = states(given).numpy()
    other = given | {"audio": 255 - given["audio"]}
    np.testing.assert_array_equal(states(other)[:, :6], found[:, :6])
    assert np.abs(states(other)[:2, 6:] - found[:2, 6:]).max() > 1e-3
    padded = {name: x.copy() for name, x in given.items()}
    for name in sizes:
        padded[name][1, 2:] = 255
    for training in (False, True):
        np.testing.assert_allclose(
            states(padded, training=training), states(given, training=training), atol=1e-6
        )

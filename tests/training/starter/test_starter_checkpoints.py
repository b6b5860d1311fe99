import json
import os

import numpy as np
import pytest

from tests.checkpoints import GOLDEN, golden_weights, write_checkpoint
from tests.models.starter_code import Golden, as_bytes, behind
from yt8m_exp.training.starter import starter_features
from yt8m_exp.training.starter.starter_checkpoints import load, read

FEATURES = {"x": 10}
VIDEO = {"logistic": "logistic", "moe": "moe2"}


@pytest.fixture
def prefix(tmp_path):
    return tmp_path / "model.ckpt-7"


@pytest.mark.parametrize("kind", VIDEO)
def test_predictions_are_those_of_the_starter_code(kind, prefix):
    golden = np.load(GOLDEN / f"{VIDEO[kind]}.head.npz")
    write_checkpoint(prefix, golden_weights(VIDEO[kind]))
    model = load(prefix, kind, features=FEATURES)
    assert model.name == kind
    predictions = model({"x": golden["input_raw"]}, training=False)
    np.testing.assert_allclose(predictions, golden["infer_predictions"], atol=1e-5)


@pytest.mark.parametrize("name", ["dbof_bn", "dbof_nobn"])
def test_predictions_of_a_bag_of_frames_are_those_of_the_starter_code(name, prefix):
    golden = Golden(name)
    write_checkpoint(prefix, golden_weights(name))
    model = load(prefix, "dbof", features=FEATURES, options={"samples": 5})
    frames = np.full(6, 5, np.int32)
    predictions = behind(model, "features")(golden["sampled_frames"], frames, False)
    np.testing.assert_allclose(predictions, golden["infer_predictions"], atol=1e-5)


def test_predictions_of_an_lstm_are_those_of_the_starter_code(prefix):
    golden = Golden("lstm2")
    write_checkpoint(prefix, golden_weights("lstm2"))
    model = load(prefix, "lstm", features=FEATURES)
    assert [layer.units for layer in model.layers if "layer_" in layer.name] == [6, 6]
    predict = behind(model, "features")
    predictions = predict(golden["input_l2_normalized"], golden["num_frames"], False)
    np.testing.assert_allclose(predictions, golden["infer_predictions"], atol=1e-5)


def test_an_lstm_without_one_of_its_variables_is_refused(prefix):
    cell = "rnn/multi_rnn_cell/cell_1/basic_lstm_cell"
    weights = golden_weights("lstm2")
    bias = weights.pop(f"tower/{cell}/bias")
    write_checkpoint(prefix, weights)
    with pytest.raises(ValueError, match=rf"{cell}/bias \(24,\) is missing"):
        load(prefix, "lstm", features=FEATURES)
    weights.pop(f"tower/{cell}/kernel")
    write_checkpoint(prefix, weights | {f"tower/{cell}/bias": bias})
    with pytest.raises(ValueError, match=rf"{cell}/bias \(24,\) is unknown"):
        load(prefix, "lstm", features=FEATURES)


def test_predictions_of_the_mean_frame_are_those_of_the_starter_code(prefix):
    golden = Golden("frame_logistic")
    write_checkpoint(prefix, golden_weights("frame_logistic"))
    model = load(prefix, "frame_logistic", features=FEATURES)
    whole = as_bytes(golden["input_raw"]), golden["num_frames"]
    mean = model.get_layer("mean")([whole[0]], whole[1])
    predictions = behind(model, "mean")(mean, whole[1], False)
    np.testing.assert_allclose(predictions, golden["infer_predictions"], atol=1e-5)


def test_features_of_frames_are_known_by_their_size(prefix):
    weights = golden_weights("dbof_nobn")
    weights["tower/cluster_weights"] = np.zeros((1152, 9), "f")
    write_checkpoint(prefix, weights)
    assert list(load(prefix, "dbof").input) == ["rgb", "audio", "frames"]


def test_what_training_needed_is_left(prefix):
    weights = golden_weights("moe2")
    slots = {f"{name}/{slot}": values for name, values in weights.items() for slot in SLOTS}
    others = {"global_step": np.int64(7), "beta1_power": np.float32(0.5)}
    write_checkpoint(prefix, weights | slots | others)
    assert {f"tower/{name}" for name in read(prefix)} == set(weights)


SLOTS = ("Adam", "Adam_1", "RMSProp", "Momentum", "Adagrad", "ExponentialMovingAverage")


@pytest.mark.parametrize(
    ("size", "names"),
    [(1152, ["mean_rgb", "mean_audio"]), (1024, ["mean_rgb"]), (128, ["mean_audio"])],
)
def test_features_are_known_by_their_size(size, names, prefix):
    weights = {
        "tower/fully_connected/weights": np.zeros((size, 3), "f"),
        "tower/fully_connected/biases": np.zeros(3, "f"),
    }
    write_checkpoint(prefix, weights)
    model = load(prefix, "logistic")
    assert list(model.input) == names
    assert sum(tensor.shape[1] for tensor in model.input.values()) == size


IN_OUR_ORDER = [*range(4, 10), *range(4)]
"""The golden values of features of 4 and 6 numbers, with the latter first."""


@pytest.mark.parametrize("kind", VIDEO)
def test_the_order_of_video_features_is_the_one_given(kind, prefix):
    golden = np.load(GOLDEN / f"{VIDEO[kind]}.head.npz")
    write_checkpoint(prefix, golden_weights(VIDEO[kind]))
    model = load(prefix, kind, features={"audio": 4, "rgb": 6})
    assert list(model.input) == ["rgb", "audio"]
    audio, rgb = np.split(golden["input_raw"], [4], axis=1)
    predictions = model({"rgb": rgb, "audio": audio}, training=False)
    np.testing.assert_allclose(predictions, golden["infer_predictions"], atol=1e-5)


@pytest.mark.parametrize("name", ["dbof_bn", "dbof_nobn", "lstm2", "frame_logistic"])
def test_the_order_of_frame_features_is_the_one_given(name, prefix):
    golden, kind = Golden(name), name.split("_b")[0].split("_n")[0].rstrip("2")
    write_checkpoint(prefix, golden_weights(name))
    options = {"samples": 5} if kind == "dbof" else {}
    model = load(prefix, kind, features={"audio": 4, "rgb": 6}, options=options)
    assert list(model.input) == ["rgb", "audio", "frames"]
    count = np.full(6, 5, np.int32) if kind == "dbof" else golden["num_frames"]
    if kind == "frame_logistic":
        audio, rgb = np.split(as_bytes(golden["input_raw"]), [4], axis=2)
        layer, x = "mean", model.get_layer("mean")([rgb, audio], count)
    else:
        layer = "features"
        x = golden["sampled_frames" if kind == "dbof" else "input_l2_normalized"]
        x = x[..., IN_OUR_ORDER]
    predictions = behind(model, layer)(x, count, False)
    np.testing.assert_allclose(predictions, golden["infer_predictions"], atol=1e-5)


def wide(rows=1152):
    """Weights of a model of three classes whose rows are numbered."""
    numbers = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    return {
        "tower/fully_connected/weights": numbers,
        "tower/fully_connected/biases": np.zeros(3, "f"),
    }


def test_the_order_is_that_of_the_flags_beside_the_checkpoint(prefix):
    write_checkpoint(prefix, wide())
    flags = {"feature_names": "mean_audio, mean_rgb", "feature_sizes": "128,1024"}
    (prefix.parent / "model_flags.json").write_text(json.dumps(flags))
    kernel = load(prefix, "logistic").get_layer("classifier").kernel.numpy()
    numbers = wide()["tower/fully_connected/weights"]
    np.testing.assert_array_equal(kernel, np.concatenate([numbers[128:], numbers[:128]]))
    features = {"mean_rgb": 1024, "mean_audio": 128}  # who gives an order knows better
    kernel = load(prefix, "logistic", features=features).get_layer("classifier").kernel.numpy()
    np.testing.assert_array_equal(kernel, numbers)


def test_where_nothing_tells_rgb_is_taken_to_come_first_and_that_is_said(prefix, monkeypatch):
    said = []
    monkeypatch.setattr(starter_features.logger, "info", lambda text, *a: said.append(text % a))
    write_checkpoint(prefix, wide())
    kernel = load(prefix, "logistic").get_layer("classifier").kernel.numpy()
    np.testing.assert_array_equal(kernel, wide()["tower/fully_connected/weights"])
    assert "mean_rgb (1024), mean_audio (128), assumed from their size, and rgb first" in said[0]
    assert "give features={...} in its order" in said[0]


@pytest.mark.parametrize(
    "flags", ["{", "[]", "{}", '{"feature_names": "a,b", "feature_sizes": "1024"}', "null"]
)
def test_flags_that_tell_nothing_are_refused(prefix, flags):
    write_checkpoint(prefix, wide())
    (prefix.parent / "model_flags.json").write_text(flags)
    with pytest.raises(ValueError, match=r"model_flags.json: expected the starter code's flags"):
        load(prefix, "logistic")


def test_features_of_another_size_must_be_named(prefix):
    write_checkpoint(prefix, golden_weights("logistic"))
    with pytest.raises(ValueError, match=r"has 10. Name them: features={mean_rgb: 10}"):
        load(prefix, "logistic")
    with pytest.raises(ValueError, match=r"weights is \(10, 7\) where \(12, 7\) must be"):
        load(prefix, "logistic", features={"x": 12})


def test_a_folder_stands_for_its_last_checkpoint(prefix):
    write_checkpoint(prefix, golden_weights("logistic"))
    (prefix.parent / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    assert load(prefix.parent, "logistic", features=FEATURES).name == "logistic"


def test_options_that_left_no_weight_are_given(prefix):
    write_checkpoint(prefix, golden_weights("logistic"))
    model = load(prefix, "logistic", features=FEATURES, options={"normalize": "none"})
    assert "normalized" not in [layer.name for layer in model.layers]
    with pytest.raises(
        ValueError, match=r"must be among normalize, dropout, but got \{'clusters': 3\}"
    ):
        load(prefix, "logistic", features=FEATURES, options={"clusters": 3})


def test_missing_and_unknown_variables_are_named_with_their_shapes(prefix):
    weights = golden_weights("logistic")
    write_checkpoint(prefix, weights | {"tower/more": np.zeros((2, 3), "f")})
    with pytest.raises(ValueError, match=r"does not fit `logistic`: more \(2, 3\) is unknown"):
        load(prefix, "logistic", features=FEATURES)
    weights.pop("tower/fully_connected/biases")
    write_checkpoint(prefix, weights)
    with pytest.raises(ValueError, match=r"fully_connected/biases is missing. .*weights \(10, 7\)"):
        load(prefix, "logistic", features=FEATURES)


def test_a_checkpoint_of_another_model_is_refused(prefix):
    write_checkpoint(prefix, golden_weights("moe2"))
    with pytest.raises(ValueError, match=r"fully_connected/.* is missing. Is it of another"):
        load(prefix, "logistic", features=FEATURES)
    with pytest.raises(ValueError, match=r"must be one of logistic, moe.* but got 'mo'"):
        load(prefix, "mo")


def test_gates_that_do_not_fit_experts_are_refused(prefix):
    weights = golden_weights("moe2")
    weights["tower/gates/weights"] = weights["tower/gates/weights"][:, :17]
    write_checkpoint(prefix, weights)
    with pytest.raises(ValueError, match="but the checkpoint has 17 and 14"):
        load(prefix, "moe", features=FEATURES)


def test_a_damaged_or_absent_checkpoint_is_refused(prefix, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No checkpoint at .*ckpt-7"):
        read(prefix)
    with pytest.raises(FileNotFoundError, match="No checkpoint at"):
        read(tmp_path)
    write_checkpoint(prefix, golden_weights("logistic"))
    for name in (".data-00000-of-00001", ".index"):
        os.truncate(f"{prefix}{name}", 10)
        with pytest.raises(ValueError, match="ckpt-7: the checkpoint cannot be read"):
            read(prefix)

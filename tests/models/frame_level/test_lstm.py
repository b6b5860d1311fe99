import numpy as np
import pytest
from hydra.errors import InstantiationException

from tests.models import configured
from tests.models.starter_code import CLASSES, FEATURES, Golden, behind
from yt8m_exp.models.frame_level import lstm

CELL = "rnn/multi_rnn_cell/cell_{}/basic_lstm_cell"
HEAD = ["gates/weights", "experts/weights", "experts/biases"]


def of_all_layers(golden, kind):
    """Arrays of one kind in the order of our weights."""
    weights = []
    for place in range(2):
        kernel, bias = (golden[f"{kind}{CELL.format(place)}/{part}"] for part in ("kernel", "bias"))
        weights += lstm.from_basic_cell(kernel, bias)
    return weights + [golden[f"{kind}{name}"] for name in HEAD]


@pytest.fixture
def case():
    golden = Golden("lstm2")
    model = configured.build("lstm", FEATURES, CLASSES, "units=6", "layers=2", "normalize=joint")
    model.set_weights(of_all_layers(golden, "var:tower/"))
    tail, x = behind(model, "features"), golden["input_l2_normalized"]
    return golden, model, lambda training: tail(x, golden["num_frames"], training)


def test_predictions_are_those_of_the_starter_code(case):
    golden, _, predict = case
    for training in (False, True):
        np.testing.assert_allclose(predict(training), golden["infer_predictions"], atol=1e-6)


@pytest.mark.parametrize(("kind", "place"), [("grad:tower/", 2), ("grad_clipped_0.05:tower/", 3)])
def test_loss_and_gradients_are_those_of_the_starter_code(case, kind, place):
    golden, model, predict = case
    found = golden.gradients(model, lambda: predict(True))
    np.testing.assert_allclose(found[0], golden["train_loss"], rtol=1e-6)
    np.testing.assert_allclose(found[1], golden["train_regularization_loss"], rtol=1e-5)
    expected = of_all_layers(golden, kind)
    for layer in (0, 1):  # the one that the forget gate's bias is moved by has no gradient
        expected[3 * layer + 2] -= np.repeat([0, 1, 0, 0], 6).astype("f")
    for gradient, value in zip(found[place], expected, strict=True):
        np.testing.assert_allclose(gradient, value, atol=1e-6)


@pytest.mark.parametrize("size", ["units", "layers"])
def test_a_size_out_of_its_range_is_refused(size):
    with pytest.raises(InstantiationException, match=f"`{size} >= 1` must hold, but got {size}=0"):
        configured.build("lstm", FEATURES, CLASSES, f"{size}=0")


@pytest.mark.parametrize("words", [["head=moe"], ["head=chain_moe", "states=attention"]])
def test_only_stages_of_a_chain_have_layers_of_their_own(words):
    with pytest.raises(InstantiationException, match=r"`chained` needs model.head=chain_moe"):
        configured.build_small("lstm", FEATURES, CLASSES, "chained=true", *words)

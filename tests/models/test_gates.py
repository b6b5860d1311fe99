import keras
import numpy as np
import pytest

from tests.models import configured
from yt8m_exp.models.gates import ContextGate, NoGate, ProbabilityGate, SEGate
from yt8m_exp.spec import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4)).astype("f")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm(x):
    """What a norm with its first averages makes of x."""
    return x / np.sqrt(1 + 1e-3)


def test_no_gate_changes_nothing():
    assert np.array_equal(NoGate()(X), X)


@pytest.mark.parametrize("remove_diagonal", [False, True])
def test_a_context_gate_is_that_of_its_formula(remove_diagonal):
    gate = ContextGate(remove_diagonal=remove_diagonal)
    gate(X)
    kernel = gate.kernel.numpy()
    if remove_diagonal:
        np.fill_diagonal(kernel, 0)
    np.testing.assert_allclose(gate(X), X * sigmoid(norm(X @ kernel)), atol=1e-6)


def test_a_context_gate_without_a_norm_has_biases():
    gate = ContextGate(batch_norm=False)
    gate(X)
    gate.bias.assign([1, -2, 3, 0])
    expected = X * sigmoid(X @ gate.kernel.numpy() + [1, -2, 3, 0])
    np.testing.assert_allclose(gate(X), expected, atol=1e-6)


def test_a_gate_without_its_diagonal_leaves_a_value_no_say_in_itself():
    gate = ContextGate(remove_diagonal=True)
    one = np.array(gate(X)) / X
    moved = X + np.array([1, 0, 0, 0], "f")
    other = np.array(gate(moved)) / moved
    np.testing.assert_allclose(one[:, 0], other[:, 0], rtol=1e-4)
    assert np.abs(one[:, 1:] - other[:, 1:]).min() > 1e-4


def test_squeeze_and_excitation_is_that_of_its_formula():
    gate = SEGate(reduction=2)
    gate(X)
    squeezed = np.maximum(norm(X @ gate.squeeze_kernel.numpy()), 0)
    assert squeezed.shape == (5, 2)
    np.testing.assert_allclose(
        gate(X), X * sigmoid(squeezed @ gate.excite_kernel.numpy()), atol=1e-6
    )


def test_a_gate_keeps_at_least_one_value():
    with pytest.raises(InputError, match="`reduction >= 1` must hold, but got reduction=0"):
        SEGate(reduction=0)
    with pytest.raises(InputError, match="must keep a value, but got reduction=8 of 4 values"):
        SEGate(reduction=8)(X)


def test_probabilities_are_gated_by_themselves_or_by_features():
    p = sigmoid(X)
    for x in (p, RNG.normal(size=(5, 7)).astype("f")):
        gate = ProbabilityGate()
        gate(p, x)
        np.testing.assert_allclose(
            gate(p, x), p * sigmoid(norm(x @ gate.kernel.numpy())), atol=1e-6
        )


def test_a_gate_of_few_features_has_no_diagonal_to_remove():
    p = sigmoid(X)
    gate = ProbabilityGate(remove_diagonal=True)
    with pytest.raises(InputError, match="got 3 features and 4 classes"):
        gate(p, X[:, :3])


def test_a_mixture_takes_gates_of_low_rank_and_a_probability_gate():
    words = ("normalize=none", "head.gate_rank=3", "head.gated_by=features")
    model = configured.build("moe", {"x": 9}, 5, *words)
    shapes = {variable.path: tuple(variable.shape) for variable in model.trainable_variables}
    assert shapes["gates_reduced/kernel"] == (9, 3)
    assert shapes["gates/kernel"] == (3, 15)
    assert shapes["gated_probabilities/kernel"] == (9, 5)
    penalties = len(model.losses)
    assert penalties == 3  # of both kernels of the gates, and of the experts'


def test_biases_are_regularised_on_request():
    for word, count in (("true", 2), ("false", 1)):
        words = ("normalize=none", "head.l2=0.5", f"head.l2_of_biases={word}")
        model = configured.build("logistic", {"x": 3}, 4, *words)
        found = sum(map(float, model.losses))
        squares = [(weights**2).sum() for weights in model.get_weights()]
        assert found == pytest.approx(0.25 * sum(squares[:count]), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("gate", ["none", "context", "se"])
def test_a_model_takes_any_gate(gate, tmp_path):
    model = configured.build_small("netvlad", {"rgb": 6, "audio": 2}, 3, f"gate={gate}")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    rng = np.random.default_rng(0)
    rows = {key: rng.integers(0, 256, (2, 3, n), "u1") for key, n in (("rgb", 6), ("audio", 2))}
    rows["frames"] = np.array([3, 2], np.int32)
    assert np.array_equal(model(rows), loaded(rows))

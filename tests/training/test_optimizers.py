from pathlib import Path

import keras
import numpy as np
import pytest
from hydra.utils import instantiate

from yt8m_exp.config import compose
from yt8m_exp.spec import InputError
from yt8m_exp.training.optimizers import AdamW, RMSpropFromOne, clip

MODELS = Path(__file__).parents[1] / "golden" / "models"
OPTIMIZERS = sorted(path.stem for path in Path(compose.CONF, "optimizer").glob("*.yaml"))
START, GRADIENTS, RATE = 0.5, (0.3, -0.2, 0.1), 0.1


def adam(w, m, v, g, t):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    rate = RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - rate * m / (np.sqrt(v) + 1e-8), m, v


def adamw(w, m, v, g, t):
    return adam(w - RATE * 0.01 * w, m, v, g, t)


def rmsprop(w, m, v, g, t):
    v = 0.9 * (v if t > 1 else 1.0) + 0.1 * g * g
    return w - RATE * g / np.sqrt(v + 1e-10), m, v


def adagrad(w, m, v, g, t):
    v = (v if t > 1 else 0.1) + g * g
    return w - RATE * g / np.sqrt(v), m, v


def sgd(w, m, v, g, t):
    return w - RATE * g, m, v


def test_every_optimizer_of_the_configuration_has_its_formula_here():
    assert set(OPTIMIZERS) <= set(globals())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_the_formula(name):
    optimizer = instantiate(compose.compose("train", [f"optimizer={name}"]).optimizer)
    optimizer.learning_rate = RATE
    weight = keras.Variable([[START]])
    optimizer.build([weight])
    w, m, v = START, 0.0, 0.0
    for t, gradient in enumerate(GRADIENTS, 1):
        optimizer.apply([np.float32([[gradient]])])
        w, m, v = globals()[name](w, m, v, gradient, t)
        np.testing.assert_allclose(weight.numpy(), [[w]], rtol=1e-5)


def test_only_matrices_decay():
    optimizer = AdamW(RATE, weight_decay=0.5)
    matrix, bias = keras.Variable([[START]]), keras.Variable([START])
    optimizer.build([matrix, bias])
    optimizer.apply([np.zeros((1, 1), np.float32), np.zeros(1, np.float32)])
    np.testing.assert_allclose(matrix.numpy(), [[START * (1 - RATE * 0.5)]], rtol=1e-6)
    np.testing.assert_array_equal(bias.numpy(), np.float32([START]))


def test_a_mean_square_of_one_makes_first_steps_small():
    steps = []
    for kind in (RMSpropFromOne, keras.optimizers.RMSprop):
        weight = keras.Variable(START)
        optimizer = kind(RATE)
        optimizer.build([weight])
        optimizer.apply([np.float32(0.01)])
        steps.append(abs(START - weight.numpy()))
    assert steps[0] < steps[1] / 10


def test_clipping_is_the_starter_codes():
    for path in MODELS.glob("*.npz"):
        golden = np.load(path)
        names = [name.removeprefix("grad:") for name in golden if name.startswith("grad:")]
        clipped = clip([golden[f"grad:{name}"] for name in names], 0.05, "variable")
        for name, gradient in zip(names, clipped, strict=True):
            np.testing.assert_allclose(gradient, golden[f"grad_clipped_0.05:{name}"], atol=1e-7)


def test_each_variable_is_clipped_by_itself():
    long, short = clip([np.array([3.0, 4.0]), np.array([0.3, 0.4])], 1.0, "variable")
    np.testing.assert_allclose(long, [0.6, 0.8])
    np.testing.assert_allclose(short, [0.3, 0.4])


def test_clipping_all_together_keeps_the_direction():
    gradients = [np.array([3.0, 0.0]), np.array([4.0])]
    one, other = clip(gradients, 1.0, "global")
    np.testing.assert_allclose(one, [0.6, 0])
    np.testing.assert_allclose(other, [0.8])
    np.testing.assert_allclose(clip(gradients, 6.0, "global")[1], [4])


def test_without_a_norm_gradients_stay():
    gradients = [np.array([1e9])]
    for off in (None, 0, 0.0, -1):  # 0 and below as in the starter code
        assert clip(gradients, off, "variable") == gradients
        assert clip(gradients, off, "global") == gradients


def test_what_our_adam_does_not_have_is_refused():
    with pytest.raises(InputError, match="`amsgrad` must be false"):
        AdamW(RATE, amsgrad=True)

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tests.models import configured
from yt8m_exp.data.means import MEAN
from yt8m_exp.models.auxiliary import Auxiliary, supervised
from yt8m_exp.spec import InputError
from yt8m_exp.training import step
from yt8m_exp.training.losses import cross_entropy

CLASSES = 5


@keras.saving.register_keras_serializable("tests")
class Squares(keras.layers.Layer):
    """Adds the mean of its input's squares to what training minimises."""

    def call(self, x, training=False):
        if training:
            self.add_loss(ops.mean(ops.square(x)))
        return x


def dense(name):
    return keras.layers.Dense(CLASSES, activation="sigmoid", name=name)


def built():
    """Two auxiliary classifiers and a penalty, beside what is served."""
    configured.seed(0)
    x = keras.Input((3,), name="x")
    first, second = dense("first")(x), dense("second")(x)
    main = Squares()(dense("main")(keras.layers.Concatenate()([x, first])))
    return keras.Model({"x": x}, Auxiliary(0.2, 0.7)(main, [first, second]))


def batch(seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(4, 3)).astype("f")
    return {"x": rows, "labels": rng.integers(0, CLASSES, (4, 2), np.int32)}


def predict(model, rows):
    return model({"x": rows["x"]})


def update(model, rows, **options):
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(model.trainable_variables)
    take = step.make(
        model, cross_entropy, optimizer, strategy=tf.distribute.get_strategy(), **options
    )
    return float(take(rows, 1.0))


def test_what_is_served_is_the_main_prediction():
    model = built()
    main = keras.Model(model.input, model.get_layer("main").output)
    assert np.array_equal(predict(model, batch()), predict(main, batch()))
    assert model.output.shape == (None, CLASSES)


def test_a_model_without_auxiliary_predictions_is_trained_as_it_is():
    model = configured.build("logistic", {"x": 3}, CLASSES, "normalize=each")
    assert supervised(model) == (model, [1.0])


def test_training_supervises_all_by_their_weights(tmp_path):
    built().save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for model in (built(), loaded):
        trained, weights = supervised(model)
        assert weights == [0.7, 0.2, 0.2]
        names = ("main", "first", "second")
        expected = keras.Model(model.input, [model.get_layer(name).output for name in names])
        for one, other in zip(predict(trained, batch()), predict(expected, batch()), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_step_descends_along_the_weighted_losses_and_the_penalty(jit_compile):
    model, rows = built(), batch()
    weights = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        outputs = predict(supervised(model).model, rows)
        losses = [cross_entropy(rows["labels"], output) for output in outputs]
        penalty = tf.reduce_mean(tf.square(outputs[0]))
        total = 0.7 * losses[0] + 0.2 * losses[1] + 0.2 * losses[2] + penalty
    expected = [w - g for w, g in zip(weights, tape.gradient(total, weights), strict=True)]
    assert update(model, rows, jit_compile=jit_compile) == pytest.approx(float(losses[0]))
    for variable, value in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, atol=1e-6)


@pytest.mark.slow
def test_auxiliary_predictions_follow_from_means_that_the_reader_takes():
    found = []
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 6, 3), np.uint8)
    count = np.array([6, 3, 0, 1], np.int32)
    rows = {"audio": frames, "frames": count, "labels": np.zeros((4, 1), np.int32)}
    for means in (False, True):
        configured.seed(0)
        words = ("head=chain_moe", "head.stages=2")
        model = configured.build_small("frame_logistic", {"audio": 3}, CLASSES, *words)
        assert len(supervised(model).weights) == 3
        mean = keras.Model(model.input, model.get_layer("mean").output)
        given = {MEAN: mean({"audio": frames, "frames": count}).numpy()} if means else rows
        update(model, given | {"labels": rows["labels"]})
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_negative_weight_is_refused():
    with pytest.raises(InputError, match="`weight >= 0` and `main_weight >= 0` must hold"):
        Auxiliary(-1.0)

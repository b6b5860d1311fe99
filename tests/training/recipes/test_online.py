import keras
import numpy as np
import pytest
import tensorflow as tf

from yt8m_exp.training.recipes.changes import all_of
from yt8m_exp.training.recipes.distillation import merged
from yt8m_exp.training.recipes.mixup import mixed
from yt8m_exp.training.recipes.online import online

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("top_k", "count"), [(2, 2), (None, 6), (7, 6)])
def test_the_teacher_predicts_what_the_student_sees(top_k, count):
    named = {"mean_rgb": keras.Input((4,), name="mean_rgb")}
    classes = keras.layers.Dense(6, activation="sigmoid")(named["mean_rgb"])
    teacher = keras.Model(named, classes)
    features = {"mean_rgb": tf.constant(RNG.normal(size=(3, 4)), tf.float32)}
    features["mean_audio"] = tf.zeros((3, 2))  # which the teacher does not take
    known = {"labels": tf.constant([[1], [2], [3]]), "shares": tf.ones((3, 1))}
    own = tf.constant([0.7, 0.5, 0.9])

    def mix(features, known):
        return mixed(features, known, own)

    change = all_of([mix, online(teacher, top_k), merged(1.0)])
    seen, learnt = tf.function(change)(features, known)
    between = own[:, None] * features["mean_rgb"]
    between += (1 - own[:, None]) * tf.roll(features["mean_rgb"], 1, axis=0)
    np.testing.assert_allclose(seen["mean_rgb"], between, rtol=1e-6)
    predicted = np.asarray(teacher({"mean_rgb": between}))
    best = np.argsort(-predicted, axis=1)[:, :count] if top_k else np.tile(np.arange(6), (3, 1))
    np.testing.assert_array_equal(learnt["labels"][:, -count:], best)
    expected = np.take_along_axis(predicted, best, axis=1)
    np.testing.assert_allclose(learnt["shares"][:, -count:], expected, rtol=1e-5)
    assert not np.any(learnt["shares"][:, :-count])  # all is the teacher's

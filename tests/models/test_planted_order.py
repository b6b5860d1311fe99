"""What only the order of frames tells is learnt by models that read it, and by no others."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import configured
from yt8m_exp.training import losses, step

VIDEOS, LENGTH, SIZE, STEPS = 64, 6, 8, 60
READS_ORDER = {
    "lstm": ("states=last",),
    "gru": ("states=all",),
    "bilstm": (),
    "transformer": ("positions=learned", "sampling=none", "dropout=0"),
    "cnn_chain": (),
}
READS_NONE = {
    "frame_logistic": (),
    "transformer": ("positions=none", "sampling=none", "dropout=0"),
    "frame_statistics": ("top=2",),
}


def videos(seed):
    """Two scenes of a video in either order, which is its class."""
    rng = np.random.default_rng(seed)
    first, second = (np.array([200, 60] * 4, int), np.array([60, 200] * 4, int))
    labels = rng.integers(0, 2, (VIDEOS, 1), np.int32)
    halves = np.where(labels[:, :, None] == 0, [first, second], [second, first])
    x = np.repeat(halves, LENGTH // 2, axis=1)
    x = np.clip(x + rng.integers(-40, 41, x.shape), 0, 255).astype(np.uint8)
    return {"x": x, "frames": np.full(VIDEOS, LENGTH, np.int32), "labels": labels}


def accuracy(name, words):
    """The share of new videos whose order a model tells after a short training."""
    configured.seed(0)
    words = (*words, "head=logistic", "head.initial_bias=0")
    model = configured.build_small(name, {"x": SIZE}, 2, *words)
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(model.trainable_variables)
    update = step.make(
        model, losses.cross_entropy, optimizer, strategy=tf.distribute.get_strategy()
    )
    for seed in range(STEPS):
        update(videos(seed), 0.02)
    unseen = videos(STEPS)
    found = model({key: unseen[key] for key in ("x", "frames")})
    return np.mean(np.argmax(found, axis=1) == unseen["labels"][:, 0])


@pytest.mark.slow
@pytest.mark.parametrize("name", READS_ORDER)
def test_a_model_that_reads_the_order_learns_it(name):
    assert accuracy(name, READS_ORDER[name]) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", READS_NONE)
def test_a_model_of_frames_in_any_order_does_not(name):
    assert accuracy(name, READS_NONE[name]) < 0.7

"""What recipes change of a batch, worked by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.placed import devices_of_bytes
from yt8m_exp.models import devices
from yt8m_exp.training.recipes import changes, distillation
from yt8m_exp.training.recipes.chance import Chance
from yt8m_exp.training.recipes.fewer_frames import fewer_frames, halves, kept
from yt8m_exp.training.recipes.label_smoothing import smoothing
from yt8m_exp.training.recipes.mixup import STEPS, mixed, mixup, quantiles
from yt8m_exp.training.recipes.noise import noise

LABELS = tf.constant([[4, 7, 4], [2, -1, -1]])
ONES = tf.constant([[1.0, 1, 0], [1, 0, 0]])
KNOWN = {"labels": LABELS, "shares": ONES}


def chance(steps=0, seed=0):
    return Chance(seed, keras.Variable(steps, dtype="int64", trainable=False))


def rows(x):
    return np.asarray(x).round(6).tolist()


def test_chance_is_a_function_of_seed_and_steps_and_purpose():
    draws = [
        rows(drawn.uniform(tf.constant([4])))
        for drawn in (chance(), chance(), chance(1), chance(seed=1), chance().of(1))
    ]
    assert draws[0] == draws[1]
    assert len({tuple(draw) for draw in draws}) == 4


def test_each_label_has_one_share_and_a_repeated_one_none():
    _, known = changes.shared({}, {"labels": LABELS})
    assert rows(known["shares"]) == rows(ONES)


def test_smoothing_takes_an_amount_off_each_label():
    _, known = smoothing(0.1)({}, KNOWN)
    np.testing.assert_allclose(known["shares"], [[0.9, 0.9, 0], [0.9, 0, 0]])


def test_a_video_is_mixed_with_the_one_before():
    own = tf.constant([0.75, 0.5])
    features, known = mixed({"mean_rgb": tf.constant([[1.0, 2], [3, 6]])}, KNOWN, own)
    assert rows(features["mean_rgb"]) == [[1.5, 3], [2, 4]]
    assert rows(known["labels"]) == [[4, 7, 4, 2, -1, -1], [2, -1, -1, 4, 7, 4]]
    assert rows(known["shares"]) == [[0.75, 0.75, 0, 0.25, 0, 0], [0.5, 0, 0, 0.5, 0.5, 0]]


def test_frames_are_mixed_one_by_one_and_those_of_a_shorter_video_repeat():
    frames = {"frames": tf.constant([3, 2, 0])}
    rgb = tf.constant([[[10], [20], [30]], [[0], [100], [255]], [[7], [7], [7]]], tf.uint8)
    known = {"labels": tf.constant([[1], [2], [3]]), "shares": tf.ones((3, 1))}
    features, known = mixed({"rgb": rgb} | frames, known, tf.constant([0.5, 0.5, 0.5]))
    assert rows(features["frames"]) == [3, 2, 0]
    assert rows(features["rgb"][0]) == [[10], [20], [30]]  # the one before has no frames
    assert rows(features["rgb"][1, :2]) == [[5], [60]]
    assert rows(known["shares"]) == [[1, 0], [0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize(("alpha", "variance"), [(0.2, 1 / 5.6), (0.5, 1 / 8), (1, 1 / 12)])
def test_shares_of_mixtures_are_of_the_beta_distribution(alpha, variance):
    table = quantiles(alpha)
    assert table.shape == (STEPS,)
    assert (np.diff(table) >= 0).all()
    np.testing.assert_allclose(table, 1 - table[::-1], atol=1e-6)
    assert np.var(table) == pytest.approx(variance, rel=1e-3)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_mixtures_are_drawn_anew_each_step_and_the_same_again(jit_compile):
    x = {"mean_audio": tf.eye(6)}
    known = {"labels": tf.range(6)[:, None], "shares": tf.ones((6, 1))}

    drawn = chance()
    change = mixup(0.4, drawn)
    mix = tf.function(lambda: change(x, known)[1]["shares"], jit_compile=jit_compile)
    shares = []
    for steps in (0, 0, 1):
        drawn.steps.assign(steps)
        shares.append(rows(mix()))
    assert shares[0] == shares[1] != shares[2]
    np.testing.assert_allclose(np.sum(shares[2], axis=1), 1, rtol=1e-5)


def test_noise_has_its_deviation_and_leaves_frames_bytes():
    features = {"mean_rgb": tf.zeros((200, 100)), "mean_audio": tf.zeros((200, 100))}
    found, _ = noise(0.5, chance())(features, {})
    assert np.std(found["mean_rgb"]) == pytest.approx(0.5, rel=0.02)
    assert not np.array_equal(found["mean_rgb"], found["mean_audio"])
    frames = {"rgb": tf.fill((50, 20, 10), tf.constant(250, tf.uint8)), "frames": tf.ones((50,))}
    found, _ = noise(0.1, chance())(frames, {})
    assert found["rgb"].dtype == tf.uint8
    assert np.max(found["rgb"]) == 255  # it does not wrap round
    assert np.mean(np.asarray(found["rgb"]) < 250) == pytest.approx(0.5, abs=0.05)
    assert rows(found["frames"]) == rows(frames["frames"])


def test_halves_by_hand():
    uniforms = tf.constant([[0.1, 0.1], [0.1, 0.9], [0.9, 0.1], [0.1, 0.1], [0.1, 0.1]])
    start, count = halves(tf.constant([5, 5, 5, 1, 0]), 0.5, uniforms)
    assert rows(start) == [2, 0, 0, 0, 0]  # second half, first half, all
    assert rows(count) == [3, 3, 5, 1, 0]


def test_dropped_frames_by_hand():
    uniforms = tf.constant([[0.9, 0.1, 0.8, 0.9], [0.1, 0.2, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9]])
    places, count = kept(tf.constant([0, 2, 0]), tf.constant([3, 2, 0]), 0.5, uniforms)
    assert rows(count) == [2, 1, 0]
    assert rows(places[0, :2]) == [0, 2]
    assert rows(places[1, :1]) == [3]  # of two frames that are dropped the luckier is left


def test_fewer_frames_are_some_of_the_video_in_order():
    frames = np.array([20, 1, 0, 13], np.int32)
    rgb = np.broadcast_to(np.arange(20, dtype=np.uint8)[None, :, None], (4, 20, 2))
    found, _ = fewer_frames(0.5, 0.5, chance())({"rgb": rgb, "frames": tf.constant(frames)}, {})
    count = np.asarray(found["frames"])
    assert (count <= frames).all()
    assert count.tolist()[1:3] == [1, 0]
    assert count.sum() < frames.sum()
    for row, left, before in zip(np.asarray(found["rgb"])[..., 0], count, frames, strict=True):
        assert (np.diff(row[:left].astype(int)) > 0).all()
        assert (row[:left] < before).all()


@pytest.mark.parametrize(("has_gpu", "device"), [(True, "/device:CPU:0"), (False, "")])
def test_frames_are_left_out_before_a_gpu_gets_them(has_gpu, device, monkeypatch):
    monkeypatch.setattr(devices, "has_gpu", lambda: has_gpu)
    specs = {
        "rgb": tf.TensorSpec((None, 7, 3), tf.uint8),
        "frames": tf.TensorSpec([None], tf.int32),
    }
    shorten = fewer_frames(0.5, 0.5, chance())
    traced = tf.function(lambda features: shorten(features, {})[0]).get_concrete_function(specs)
    assert devices_of_bytes(traced) == {device}


SOFT = {
    "soft_labels": tf.constant([[7, 5], [9, -1]]),
    "soft_shares": tf.constant([[0.8, 0.5], [0.4, -1.0]]),
}


def test_a_teachers_predictions_are_merged_with_the_labels():
    _, known = distillation.merged(0.25)({}, {**KNOWN, **SOFT})
    assert rows(known["labels"]) == [[4, 7, 4, 7, 5], [2, -1, -1, 9, -1]]
    np.testing.assert_allclose(known["shares"][0], [0.75, 0.75, 0, 0.2, 0.125])
    np.testing.assert_allclose(known["shares"][1, :4], [0.75, 0, 0, 0.1])
    assert known.keys() == {"labels", "shares"}


def test_a_temperature_divides_the_logits_of_both():
    def loss(*, predictions, labels, shares, **others):
        seen.append((np.asarray(predictions), np.asarray(shares)))
        return 1.0 if len(seen) == 1 else 10.0

    seen = []
    predictions = tf.constant([[0.5, 0.9, 0.1]])
    chances = {"soft_labels": [[1]], "soft_shares": tf.constant([[0.9]])}
    known = {"labels": [[2]], "shares": tf.ones((1, 1))}
    value = distillation.distilled(loss, 0.25, 2.0)(predictions=predictions, **known, **chances)
    np.testing.assert_allclose(seen[0][0], [[0.5, 0.75, 0.25]], rtol=1e-5)  # odds of 9 become 3
    np.testing.assert_allclose(seen[0][1], [[0.75]], rtol=1e-5)
    np.testing.assert_allclose(seen[1][0], predictions)
    assert value == pytest.approx(0.75 * 10 + 0.25 * 4 * 1)

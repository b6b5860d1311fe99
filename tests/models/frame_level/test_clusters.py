"""Pooling by clusters: its formulas by NumPy, and videos that only clusters tell apart."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hydra.errors import InstantiationException

from tests.models import configured
from yt8m_exp import spec
from yt8m_exp.models import normalization
from yt8m_exp.models.auxiliary import supervised
from yt8m_exp.models.ensembles.ensemble import logit
from yt8m_exp.models.frame_level.clusters import late_fusion
from yt8m_exp.models.frame_level.clusters.mix_nextvlad import Mean, Mix
from yt8m_exp.models.frame_level.clusters.netfv import FisherVector
from yt8m_exp.models.frame_level.clusters.netvlad import VLAD
from yt8m_exp.models.frame_level.clusters.nextvlad import NeXtVLAD
from yt8m_exp.models.frame_level.clusters.soft_dbof import SoftBag
from yt8m_exp.training import losses, step

RNG = np.random.default_rng(0)
COUNT = np.array([4, 2, 0], np.int32)
IS_FRAME = np.arange(4) < COUNT[:, None]
X = np.where(IS_FRAME[:, :, None], RNG.normal(size=(3, 4, 6)), 0).astype("f")


def softmax(x):
    shares = np.exp(x - x.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def l2(x, axis=-1):
    return x / np.sqrt(np.maximum((x**2).sum(axis=axis, keepdims=True), 1e-12))


def shares(layer):
    kernel = layer.assignment.kernel.numpy()
    return softmax(X @ kernel / np.sqrt(1 + 1e-3)) * IS_FRAME[:, :, None]


def residuals(a, center):
    """(B, T, D, K), which no layer builds."""
    return a[:, :, None, :] * (X[:, :, :, None] - center)


def test_residuals_are_summed_up_for_each_cluster():
    for centers in ("subtract", "none"):
        layer = VLAD(5, centers=centers)
        layer(X, IS_FRAME)
        center = layer.center.numpy() if centers == "subtract" else 0
        sums = residuals(shares(layer), center).sum(axis=1)
        expected = l2(l2(sums, axis=1).reshape(3, -1))
        np.testing.assert_allclose(layer(X, IS_FRAME), expected, atol=1e-6)
        assert (expected[2] == 0).all()


@pytest.mark.parametrize("coupling", [None, 0.1])
@pytest.mark.parametrize("intra_norm", ["both", "first"])
def test_a_fisher_vector_is_that_of_its_formula(coupling, intra_norm):
    layer = FisherVector(5, coupling=coupling, intra_norm=intra_norm)
    layer(X, IS_FRAME)
    a, deviation = shares(layer), layer.deviation.numpy() ** 2 + 1e-6
    kernel = layer.assignment.kernel.numpy()
    center = layer.center.numpy() if coupling is None else coupling * kernel
    first = residuals(a, center).sum(axis=1) / deviation
    squares = a[:, :, None, :] * (((X[:, :, :, None] - center) / deviation) ** 2 - 1)
    second = squares.sum(axis=1)
    if intra_norm == "both":
        second = l2(second, axis=1)
    orders = [l2(order.reshape(3, -1)) for order in (l2(first, axis=1), second)]
    np.testing.assert_allclose(layer(X, IS_FRAME), np.concatenate(orders, axis=1), atol=1e-5)


def test_a_soft_bag_holds_the_sums_and_the_largest_shares():
    layer = SoftBag(5, softmax=True, max_pooling=True)
    layer(X, IS_FRAME)
    a = shares(layer)
    expected = np.concatenate([l2(a.sum(axis=1)), l2(a.max(axis=1))], axis=1)
    np.testing.assert_allclose(layer(X, IS_FRAME), expected, atol=1e-6)


def test_padding_counts_in_the_statistics_of_nextvlad_on_request_alone():
    rng = np.random.default_rng(1)
    longer = np.concatenate([X, rng.normal(size=(3, 2, 6)).astype("f")], axis=1)
    outside = np.concatenate([IS_FRAME, np.zeros((3, 2), bool)], axis=1)
    for count_padding in (False, True):
        configured.seed(0)
        layer = NeXtVLAD(4, groups=3, expansion=2, count_padding=count_padding)
        short = np.array(layer(X, IS_FRAME, training=True))
        long = np.array(layer(longer, outside, training=True))
        assert np.allclose(short, long, atol=1e-4) is not count_padding
        np.testing.assert_allclose(layer(X, IS_FRAME), layer(longer, outside), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nextvlad", "mix_nextvlad"])
def test_padding_that_counts_is_unwhitened_as_in_the_original(name):
    words = ("normalize=unwhiten", "count_padding=true")
    model = configured.build_small(name, {"rgb": spec.RGB, "audio": 2}, 3, *words)
    x = RNG.normal(size=(3, 4, spec.RGB + 2)).astype("f")
    padded = np.array(model.get_layer("padding")(x, IS_FRAME))
    assert np.array_equal(padded[IS_FRAME], x[IS_FRAME])
    eigenvalues = np.load(normalization.EIGENVALUES)
    np.testing.assert_allclose(
        padded[2, 0, : spec.RGB], -4 / 512 * (np.sqrt(eigenvalues) + 1e-4), rtol=1e-5
    )
    assert (padded[~IS_FRAME][:, spec.RGB :] == 0).all()


def test_branches_are_mixed_by_their_log_odds_and_learn_from_the_mixture():
    weights = softmax(RNG.normal(size=(3, 2))).astype("f")
    logits = RNG.normal(size=(2, 3, 7)).astype("f") * 3
    branches = [1 / (1 + np.exp(-x)) for x in logits]
    mixed = np.einsum("bn,nbc->bc", weights, logits)
    layer = Mix(temperature=2.0, distillation_weight=3.0)
    expected = 1 / (1 + np.exp(-mixed))
    np.testing.assert_allclose(layer(weights, branches), expected, atol=1e-5)
    assert not layer.losses
    layer(weights, branches, training=True)
    target, found = softmax(mixed / 2), softmax(logits / 2)
    divergence = (target * (np.log(target) - np.log(found))).sum(axis=(0, 2)).mean()
    assert float(layer.losses[0]) == pytest.approx(3 * divergence, rel=1e-4)


def test_log_odds_are_finite_and_those_of_the_probability():
    p = np.array([0, 1e-20, 0.25, 0.5, 0.999, 1], "f")
    found = np.array(logit(p))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1:5], np.log(p[1:5] / (1 - p[1:5].astype(float))), rtol=1e-4)


def test_the_mean_that_weighs_branches_leaves_padding_out():
    padded = X + np.where(IS_FRAME[:, :, None], 0, 9).astype("f")
    np.testing.assert_allclose(Mean(False)(padded, IS_FRAME)[1], X[1, :2].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(Mean(True)(padded, IS_FRAME), padded.mean(axis=1), atol=1e-6)


def test_branches_are_supervised_and_not_served():
    words = ("branches=2", "normalize=none", "groups=2")
    model = configured.build_small("mix_nextvlad", {"rgb": 6}, 3, *words)
    trained, weights = supervised(model)
    assert weights == [1.0, 1.0, 1.0]
    assert len(trained.outputs) == 3
    assert model.output.shape == (None, 3)


def test_whole_clusters_are_dropped_in_training_alone():
    layer = NeXtVLAD(8, groups=2, expansion=1, count_padding=False, cluster_dropout=0.5)
    layer.build((3, 4, 6))
    layer.norm.normalized = lambda x, weights, training: x  # over videos, it would hide zeros
    kept = np.reshape(layer(X, IS_FRAME, training=True), (3, 3, 8))[:2].any(axis=1)
    assert 0 < kept.sum() < kept.size
    assert np.reshape(layer(X, IS_FRAME), (3, 3, 8))[:2].all()
    seen = np.reshape(layer(X, IS_FRAME, training=True), (3, 3, 8))[:2]
    assert ((seen != 0).all(axis=1) | (seen == 0).all(axis=1)).all()


def test_reduced_frames_are_pooled_as_frames_of_fewer_values():
    layer = VLAD(3, centers="subtract", reduced=0.5)
    found = layer(X, IS_FRAME)
    narrow = VLAD(3, centers="subtract")
    narrow.build((3, 4, 3))
    kernel, *others = layer.get_weights()
    narrow.set_weights(others)
    assert kernel.shape == (6, 3)
    np.testing.assert_allclose(found, narrow(X @ kernel, IS_FRAME), atol=1e-6)


def test_audio_has_its_share_of_clusters():
    assert [late_fusion.share(name, 9, 0.5) for name in ("rgb", "audio")] == [9, 4]
    assert late_fusion.share("audio", 4, 0.1) == 1
    model = configured.build("netvlad", {"rgb": 6, "audio": 2}, 3, "clusters=8", "units=4")
    assert model.get_layer("hidden").kernel.shape == (8 * 6 + 4 * 2, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words", "sentence"),
    [
        ("netvlad", "clusters=0", "`clusters >= 1` must hold, but got clusters=0"),
        ("netvlad", "units=0", "`units >= 1` must hold, but got units=0"),
        ("netvlad", "centers=add", "`centers` must be subtract, gate or none, but got 'add'"),
        ("netvlad", "pooled_norm=l1", "`pooled_norm` must be l2 or batch, but got 'l1'"),
        ("netvlad", "reduced=0", "`0 < reduced <= 1` must hold, but got reduced=0"),
        ("netvlad", "audio_share=2", "`0 < audio_share <= 1` must hold, but got audio_share=2"),
        ("netfv", "intra_norm=no", "`intra_norm` must be both or first, but got 'no'"),
        ("nextvlad", "groups=7", "`groups` must divide the expanded values, but got groups=7"),
        ("nextvlad", "groups=0", "`groups >= 1` must hold, but got groups=0"),
        ("nextvlad", "units=0", "`units >= 1` must hold, but got units=0"),
        ("mix_nextvlad", "branches=0", "`branches >= 1` must hold, but got branches=0"),
        ("mix_nextvlad", "groups=2 temperature=0", "`temperature > 0` and `distillation_weight"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(name, words, sentence):
    features = {"rgb": 6, "audio": 2}
    with pytest.raises(InstantiationException, match=sentence):
        configured.build_small(name, features, 3, "normalize=none", *words.split())


@pytest.mark.parametrize(
    "layer",
    [
        VLAD(12, centers="subtract"),
        VLAD(12, centers="none"),
        NeXtVLAD(12, groups=2, expansion=2, count_padding=False),
        FisherVector(12, coupling=None, intra_norm="both"),
    ],
    ids=["netvlad", "netrvlad", "nextvlad", "netfv"],
)
def test_no_tensor_of_a_step_holds_the_residual_of_each_frame_to_each_center(layer):
    videos, frames, size = 2, 50, 16
    x, is_frame = tf.zeros((videos, frames, size)), tf.ones((videos, frames), bool)
    layer(x, is_frame)

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(x, is_frame, training=True))
        return tape.gradient(total, layer.trainable_variables)

    operations = gradients.get_concrete_function(x).graph.get_operations()
    outputs = [output for operation in operations for output in operation.outputs]
    sizes = [found.shape.num_elements() for found in outputs if found.shape.is_fully_defined()]
    assert len(sizes) > 0.9 * len(outputs)
    assert videos * frames * size <= max(sizes) < videos * frames * 12 * size


def planted(videos, rng):
    """Frames at four corners of a square: a video visits one diagonal or the other.

    Both diagonals have the same mean, so that the mean of the frames says nothing.
    """
    corners = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]], "f")
    labels = rng.integers(0, 2, videos)
    visits = 2 * labels[:, None] + np.arange(12) % 2
    x = np.repeat(corners[visits], 4, axis=2) + rng.normal(0, 0.2, (videos, 12, 8))
    rows = np.clip(np.round(x * 40 + 127), 0, 255).astype(np.uint8)
    frames = np.full(videos, 12, np.int32)
    return {"rgb": rows, "frames": frames, "labels": labels[:, None].astype(np.int32)}


def learnt(name, *words):
    """The share of new videos that a model classifies correctly after 150 steps."""
    rng = np.random.default_rng(0)
    configured.seed(0)
    model = configured.build(name, {"rgb": 8}, 2, "normalize=none", "dropout=0", *words)
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    update = step.make(model, losses.cross_entropy, optimizer, strategy=strategy)
    for _ in range(150):
        update(planted(64, rng), 0.02)
    for layer in model._flatten_layers():  # averages of the last batch: few steps were taken
        if hasattr(layer, "moving_mean"):
            layer.decay = 0.0
    model({k: v for k, v in planted(256, rng).items() if k != "labels"}, training=True)
    videos = planted(512, rng)
    found = np.argmax(model({k: v for k, v in videos.items() if k != "labels"}), axis=1)
    return float((found == videos["labels"][:, 0]).mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("netvlad", ("clusters=4", "units=8")),
        ("nextvlad", ("clusters=4", "groups=2", "units=8", "gate.reduction=2")),
    ],
)
def test_clusters_are_learnt_that_the_mean_of_frames_does_not_show(name, words):
    assert learnt(name, *words) > 0.95


@pytest.mark.slow
def test_the_mean_of_frames_does_not_show_clusters():
    assert learnt("frame_logistic") < 0.65

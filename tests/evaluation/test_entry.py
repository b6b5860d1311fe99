import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SAMPLE
from tests.models import configured
from yt8m_exp import spec
from yt8m_exp.data import loading, shards
from yt8m_exp.data.means import Means
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.evaluation import scoring
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.training import losses, step

FEATURES = {"audio": spec.AUDIO, "rgb": spec.RGB}


def scanned(features=FEATURES, **changes):
    return shards.scan(str(SAMPLE / "frame/train"), Schema(features, 50_000, "frame", **changes))


def built(*overrides, features=FEATURES):
    keras.utils.set_random_seed(0)
    return configured.build("frame_logistic", features, spec.CLASSES, *overrides)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("normalize", "features"),
    [
        *itertools.product(("each", "joint", "none"), (FEATURES, {"audio": spec.AUDIO})),
        *itertools.product(
            ("unwhiten", "unwhiten_each", "unwhiten_unit"), (FEATURES, {"audio": spec.AUDIO})
        ),
    ],
)
def test_means_taken_while_reading_are_those_of_the_model(normalize, features):
    manifest = scanned(features)
    model = built(f"normalize={normalize}", "sampling.max_frames=200", features=features)
    mean = keras.Model(model.input, model.get_layer("mean").output)
    [batch] = ordered_batches(manifest)
    [read] = ordered_batches(Entry(model).read(manifest))
    expected = mean({name: batch[name] for name in mean.input})
    np.testing.assert_allclose(read["mean"], expected, rtol=1e-5, atol=1e-6)
    assert read.keys() == batch.keys() - {*features, "frames"} | {"mean"}
    assert np.array_equal(read["labels"], batch["labels"])


def test_a_video_without_frames_has_the_mean_zero():
    manifest = scanned()
    videos = loading.load(manifest.shards, manifest.schema)
    empty = videos._replace(frames=np.zeros_like(videos.frames))
    assert not Means("each", 300).of(empty).features["mean"].any()


@pytest.mark.slow
def test_predictions_and_gradients_do_not_depend_on_where_a_batch_enters():
    weights, predictions = [], []
    for read in (lambda manifest: manifest, Entry(built()).read):
        model = built("head.l2=1e-3", "head.initial_bias=-3")
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build(model.trainable_variables)
        [batch] = ordered_batches(read(scanned()))
        update = step.make(
            model, losses.cross_entropy, optimizer, strategy=tf.distribute.get_strategy()
        )
        update(batch, 1.0)
        weights.append([weight.numpy() for weight in model.trainable_variables])
        predictions.append(scoring.best(batch, scoring.predictor(model)(batch), 20))
    for frames, means in zip(*weights, strict=True):
        np.testing.assert_allclose(means, frames, atol=1e-6)
    np.testing.assert_allclose(predictions[1].scores, predictions[0].scores, atol=1e-6)
    assert np.array_equal(predictions[1].class_ids, predictions[0].class_ids)


def both():
    """A model of the mean, and of more than that."""
    model = built()
    best = keras.ops.max(keras.ops.cast(model.input["audio"], "float32"), axis=(1, 2))
    return keras.Model(model.input, model.output * best[:, None])


@pytest.mark.parametrize(
    "model",
    [
        lambda: built("sampling=random"),
        lambda: configured.build_small("dbof", FEATURES, 7),
        lambda: configured.build("logistic", {"mean_rgb": 4}, 7, "normalize=each"),
        both,
    ],
    ids=["sampled", "dbof", "video level", "more than the mean"],
)
def test_other_models_take_what_they_are_given(model):
    manifest = scanned()
    assert Entry(model()).read(manifest) == replace(manifest, means=None)

"""The pass of a model over batches: each video's best predictions, and the metrics over them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from yt8m_exp import spec
from yt8m_exp.data.ahead import ahead
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.metrics import Evaluation
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.evaluation.sample import Sample
from yt8m_exp.evaluation.tensors import shared
from yt8m_exp.evaluation.top_k import top_k

Batch = Mapping[str, np.ndarray]
Loss = Callable[..., float]
KNOWN = ("labels", "rated")  # keys of a batch beside its features


class Best(NamedTuple):
    """The best K predictions of each video of a batch, falling; of a rated segment, all rated ones.

    Attributes:
        scores: probabilities, float32 (B, K).
        class_ids: int32 (B, K); of equal scores the lower class comes first. Padded with -1 where
            fewer classes are rated.
    """

    scores: np.ndarray
    class_ids: np.ndarray


def predictor(model: keras.Model) -> Callable[[Batch], np.ndarray]:
    """Compiles a function from a batch to the probabilities of all classes, float32 (B, C)."""
    entry = Entry(model)

    @tf.function(reduce_retracing=True, autograph=False)
    def probabilities(features):
        return tf.cast(entry.predict(features, training=False), tf.float32)

    def predict(batch: Batch) -> np.ndarray:
        return np.asarray(probabilities({name: shared(batch[name]) for name in entry.names(batch)}))

    return predict


def best(batch: Batch, predictions: np.ndarray, k: int) -> Best:
    """Returns the best K predictions of the videos of a batch.

    If the batch has `rated` classes (B, R), only they are predicted, and K has no effect.
    """
    if "rated" not in batch:
        return Best(*top_k(predictions, k))
    scores, class_ids = _rated_first(predictions, batch["rated"])
    return Best(scores.numpy(), class_ids.numpy())


def masked(predictions: np.ndarray, class_ids: np.ndarray) -> np.ndarray:
    """Returns predictions (B, C) with a score of 0 for all classes except those given.

    Source: google/youtube-8m, `inference.py`, `whitelisted_cls_mask`.
    """
    kept = np.zeros_like(predictions)
    kept[:, class_ids] = predictions[:, class_ids]
    kept.flags.writeable = False  # like TensorFlow's arrays, for which loops are compiled
    return kept


def scorer(model: keras.Model, class_ids: np.ndarray) -> Callable[[Batch], np.ndarray]:
    """Compiles a function from a batch to its probabilities of some classes, float32 (B, K)."""

    @tf.function(reduce_retracing=True, autograph=False)
    def scores(features):
        return tf.gather(model(features, training=False), class_ids, axis=1)

    def score(batch: Batch) -> np.ndarray:
        return scores({name: shared(batch[name]) for name in model.input}).numpy()

    return score


def evaluate(
    predict: Callable[[Batch], np.ndarray],
    loss: Loss,
    batches: Iterable[Batch],
    classes: int,
    *,
    top_k: int = spec.TOP_K,
    top_n: Sequence[int] = (),
    advance: Callable[[int], None] = lambda videos: None,
    sample: Sample | None = None,
) -> Evaluation:
    """Scores a model on labelled batches.

    Args:
        predict: see `predictor`.
        loss: from `labels`, `predictions` and perhaps `rated` to its mean over a batch.
        batches: batches with labels, each video once; or all with `rated` classes, each segment
            once, see `Ranking`.
        classes: C.
        top_k: predictions of a video that count in GAP and mAP.
        top_n: see `Ranking.result`.
        advance: called with the number of videos done.
        sample: gathers what the evaluation keeps of the videos; None keeps nothing.
    """
    ranking = Ranking(classes, top_k=top_k)
    losses, videos = 0.0, 0
    for batch, predictions in ahead((batch, predict(batch)) for batch in batches):
        if "rated" in batch and not videos:
            ranking = Ranking(classes, top_k=None)
        labels = batch["labels"]
        found = best(batch, predictions, max(top_k, labels.shape[1]))
        ranking.update(found.scores, found.class_ids, labels)
        if sample is not None:
            sample.add(batch, found.scores, found.class_ids)
        known = {name: batch[name] for name in KNOWN if name in batch}
        losses += loss(predictions=predictions, **known) * len(labels)
        videos += len(labels)
        advance(videos)
    kept = sample.result() if sample else None
    return Evaluation(ranking.result(top_n=top_n), losses / max(videos, 1), sample=kept)


def evaluate_model(
    model: keras.Model,
    loss: Loss,
    manifest: Manifest,
    batch_size: int | None = None,
    *,
    advance: Callable[[int], None] = lambda videos: None,
) -> Evaluation:
    """Scores a model on all labelled shards of a manifest; see `evaluate` and `ordered_batches`."""
    batches = ordered_batches(Entry(model).read(manifest), batch_size)
    return evaluate(predictor(model), loss, batches, manifest.schema.classes, advance=advance)


@tf.function(reduce_retracing=True, autograph=False)
def _rated_first(predictions: tf.Tensor, rated: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns scores of rated classes (B, R), falling, and the classes, padded with 0 and -1."""
    rated = tf.sort(rated, axis=1)
    again = tf.pad(rated[:, 1:] == rated[:, :-1], ((0, 0), (1, 0)))
    known = (rated >= 0) & ~again
    scores = tf.gather(predictions, tf.maximum(rated, 0), batch_dims=1)
    scores, order = tf.math.top_k(tf.where(known, scores, -1.0), tf.shape(rated)[1])
    class_ids = tf.gather(tf.where(known, rated, -1), order, batch_dims=1)
    return tf.maximum(scores, 0.0), class_ids

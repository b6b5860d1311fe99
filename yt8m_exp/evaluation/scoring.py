"""The pass of a model over batches: each video's best predictions, and the metrics over them."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from yt8m_exp import spec
from yt8m_exp.data.pipeline import ahead
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.ranking import Metrics, Ranking
from yt8m_exp.evaluation.tensors import shared
from yt8m_exp.evaluation.top_k import top_k

Loss = Callable[..., tf.Tensor]
Batch = Mapping[str, np.ndarray]
KNOWN = {"labels", "rated"}  # what a batch tells of its videos beside features


class Best(NamedTuple):
    """The best K predictions of each video of a batch, falling; of a rated segment, all rated ones.

    Attributes:
        scores: probabilities, float32 (B, K).
        class_ids: int32 (B, K); of equal scores the lower class comes first. Padded with -1 where
            fewer classes are rated.
        loss: mean over the batch, or None where no loss was asked for.
    """

    scores: np.ndarray
    class_ids: np.ndarray
    loss: float | None


def predictor(model: keras.Model, loss: Loss | None = None) -> Callable[[Batch, int], Best]:
    """Compiles a function from a batch and K to the best K predictions of its videos.

    Where the batch has `rated` classes (B, R), only they are predicted, however many K is.
    """
    entry = Entry(model)

    @tf.function(reduce_retracing=True)
    def scored(features, known):
        predictions = tf.cast(entry.predict(features, training=False), tf.float32)
        value = loss(predictions=predictions, **known) if loss else tf.constant(0.0)
        return predictions, value

    def predict(batch: Batch, k: int) -> Best:
        features = {name: shared(batch[name]) for name in entry.names(batch)}
        known = {name: shared(batch[name]) for name in KNOWN & batch.keys()}
        predictions, value = scored(features, known)
        if "rated" in known:
            scores, class_ids = (x.numpy() for x in _rated_first(predictions, known["rated"]))
        else:
            scores, class_ids = top_k(np.asarray(predictions), k)
        return Best(scores, class_ids, float(value) if loss else None)

    return predict


def scorer(model: keras.Model, class_ids: np.ndarray) -> Callable[[Batch], np.ndarray]:
    """Compiles a function from a batch to its probabilities of some classes, float32 (B, K)."""

    @tf.function(reduce_retracing=True)
    def scores(features):
        return tf.gather(model(features, training=False), class_ids, axis=1)

    def score(batch: Batch) -> np.ndarray:
        return scores({name: shared(batch[name]) for name in model.input}).numpy()

    return score


def evaluate(
    predict: Callable[[Batch, int], Best],
    batches: Iterable[Batch],
    classes: int,
    *,
    top_k: int = spec.TOP_K,
    advance: Callable[[int], None] = lambda videos: None,
) -> tuple[Metrics, float]:
    """Scores a model on labelled batches.

    Args:
        predict: see `predictor`, with a loss.
        batches: batches with labels, each video once; or all with `rated` classes, each segment
            once, see `Ranking`.
        classes: C.
        top_k: predictions of a video that count in GAP and mAP.
        advance: is told how many videos are done.

    Returns:
        The metrics, and the mean loss over videos.
    """
    ranking = Ranking(classes, top_k=top_k)
    losses, videos = 0.0, 0
    predicted = ((b, predict(b, max(top_k, b["labels"].shape[1]))) for b in batches)
    for batch, best in ahead(predicted):
        if "rated" in batch and not videos:
            ranking = Ranking(classes, top_k=None)
        ranking.update(best.scores, best.class_ids, batch["labels"])
        losses += (best.loss or 0.0) * len(batch["labels"])
        videos += len(batch["labels"])
        advance(videos)
    return ranking.result(), losses / max(videos, 1)


@tf.function(reduce_retracing=True)
def _rated_first(predictions: tf.Tensor, rated: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the scores of the rated classes (B, R), falling, and these, padded with 0 and -1."""
    rated = tf.sort(rated, axis=1)
    again = tf.pad(rated[:, 1:] == rated[:, :-1], ((0, 0), (1, 0)))
    known = (rated >= 0) & ~again
    scores = tf.gather(predictions, tf.maximum(rated, 0), batch_dims=1)
    scores, order = tf.math.top_k(tf.where(known, scores, -1.0), tf.shape(rated)[1])
    class_ids = tf.gather(tf.where(known, rated, -1), order, batch_dims=1)
    return tf.maximum(scores, 0.0), class_ids

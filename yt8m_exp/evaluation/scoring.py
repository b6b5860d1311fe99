"""The pass of a model over batches: each video's best predictions, and the metrics over them."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from yt8m_exp import spec
from yt8m_exp.data.pipeline import ahead
from yt8m_exp.evaluation.ranking import Metrics, Ranking
from yt8m_exp.evaluation.tensors import shared

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Batch = Mapping[str, np.ndarray]


class Best(NamedTuple):
    """The best K predictions of each video of a batch, falling.

    Attributes:
        scores: probabilities, float32 (B, K).
        class_ids: int32 (B, K); of equal scores the lower class comes first.
        loss: mean over the batch, or None where no loss was asked for.
    """

    scores: np.ndarray
    class_ids: np.ndarray
    loss: float | None


def predictor(model: keras.Model, loss: Loss | None = None) -> Callable[[Batch, int], Best]:
    """Compiles a function from a batch and K to the best K predictions of its videos."""
    classes = model.output.shape[-1]

    @tf.function(reduce_retracing=True)
    def best(features, labels, k):
        predictions = model(features, training=False)
        scores, class_ids = tf.math.top_k(predictions, k)
        value = loss(labels, predictions) if loss else tf.constant(0.0)
        return scores, class_ids, value

    def predict(batch: Batch, k: int) -> Best:
        features = {name: shared(batch[name]) for name in model.input}
        labels = shared(batch["labels"])
        scores, class_ids, value = best(features, labels, tf.constant(min(k, classes)))
        return Best(scores.numpy(), class_ids.numpy(), float(value) if loss else None)

    return predict


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
        batches: batches with labels, each video once.
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
        ranking.update(best.scores, best.class_ids, batch["labels"])
        losses += (best.loss or 0.0) * len(batch["labels"])
        videos += len(batch["labels"])
        advance(videos)
    return ranking.result(), losses / max(videos, 1)

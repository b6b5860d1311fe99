"""Predicts shards in this process, straight into one file."""

import time
from typing import Any

from numpy.typing import NDArray
from omegaconf import DictConfig

from yt8m_exp.data.ahead import ahead
from yt8m_exp.data.ids import Once
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import shard_batches
from yt8m_exp.data.tfrecords import compiled, warming
from yt8m_exp.evaluation import top_k
from yt8m_exp.evaluation.sample import Sample
from yt8m_exp.jobs.steps.batch.predictions import form_of, predictions_of, settings
from yt8m_exp.jobs.steps.batch.tally import Tally
from yt8m_exp.serving import lines
from yt8m_exp.serving.tagger import Tagger
from yt8m_exp.terminal import progress


def predict(
    cfg: DictConfig,
    tagger: Tagger,
    manifest: Manifest,
    listed: NDArray | None,
    file: Any,
    sample: Sample,
) -> Tally:
    """Predicts each video once, even if its id is repeated.

    Args:
        cfg: of `conf/inference.yaml`.
        tagger: what predicts.
        manifest: the shards.
        listed: the classes that are predicted, None for all.
        file: takes the predictions, a context manager.
        sample: gathers what the run's page shows.

    Returns:
        The counts; its seconds are without those of compiling.
    """
    warming.warm([*compiled.calls(tagger.schema.level), *top_k.calls(), *lines.calls()])
    chosen = settings(cfg, listed, manifest.digest_of_names)
    form, predictions = form_of(chosen), predictions_of(tagger, chosen)
    once = None if manifest.is_read and not manifest.repeats else Once()
    batches = shard_batches(predictions.read(manifest), cfg.batch_size)
    began, rows, videos = time.perf_counter(), 0, 0
    with file as opened, progress.shown("Predicting", manifest.records, unit="videos") as advance:
        for batch, scores in ahead((batch, predictions.scores(batch)) for _, batch in batches):
            found = predictions.found(batch, scores)
            rows += len(batch["id"])
            if once and not (new := once(batch["id"])).all():
                found = found.take(new)
                batch = {name: values[new] for name, values in batch.items()}
            form.write(found, opened)
            if not cfg.segments:
                sample.add(batch, found.scores, found.class_ids)
            videos += len(found.ids)
            advance(rows)
    return Tally(videos, rows - videos, videos, time.perf_counter() - began)

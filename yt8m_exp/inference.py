"""Predicts shards with a model, into the competition's file of videos, or that of segments."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command, spec

if TYPE_CHECKING:
    from yt8m_exp.data.shards import Manifest
    from yt8m_exp.serving.predictions import PredictionsWriter
    from yt8m_exp.serving.segment_files import SegmentsWriter
    from yt8m_exp.serving.tagger import Tagger

logger = logging.getLogger(__name__)
Advance = Callable[[int], None]


def run(cfg: DictConfig) -> dict[str, Any]:
    """Predicts as a configuration of `conf/inference.yaml` says.

    Returns:
        The run's id, the file, and how many videos it holds.

    Raises:
        ValueError: there is no such model, or a record is bad.
        FileNotFoundError: a pattern matches no shard.
        OSError: the file cannot be written.
    """
    from yt8m_exp.tracking.runs import open_run

    if cfg.top_k < 1:
        raise ValueError(f"`top_k >= 1` must hold, but got top_k={cfg.top_k}.")
    writer = _writer(cfg)  # refuses a place where nothing can be written
    with (
        open_run(
            "inference",
            experiment=cfg.tracking.experiment,
            config=OmegaConf.to_container(cfg, resolve=True),  # type: ignore[arg-type]
            root=Path(cfg.tracking.runs),
            name=cfg.tracking.run_name or "inference",
            system_metrics=cfg.tracking.system_metrics,
        ) as tracked,
        writer as file,
    ):
        from yt8m_exp.terminal import progress, quiet, summary
        from yt8m_exp.tracking import datasets

        with quiet.startup():
            from yt8m_exp.serving import loading

        model = loading.load(cfg.model_uri)
        for key, value in model.tags().items():
            tracked.client.set_tag(tracked.id, key, value)
        schema = model.tagger.schema
        if cfg.segments:
            model.require_frames()
            schema = replace(schema, max_frames=spec.MAX_FRAMES)  # more than a segment's may be cut
        manifest = datasets.scanned(
            tracked,
            OmegaConf.to_object(cfg)["shards"],  # type: ignore[index, call-overload]
            schema,
            context="predict",
            on_bad_record=cfg.on_bad_record,
            labelled=False,
        )
        predict = _predict_segments if cfg.segments else _predict_videos
        began = time.perf_counter()
        with progress.shown("Predicting", manifest.records, unit="videos") as advance:
            predict(cfg, model.tagger, manifest, file, advance)
        rate = manifest.records / (time.perf_counter() - began)
        tracked.writer.log({"videos": manifest.records, "videos_per_second": rate}, 0)
        result = {
            "run_id": tracked.id,
            "output": str(Path(cfg.output).absolute()),
            "videos": manifest.records,
            "videos_per_second": round(rate, 1),
        }
        summary.show(f"Predictions of {model.uri}", result, {})
    return result


def _writer(cfg: DictConfig) -> Any:
    from yt8m_exp.serving import predictions, segment_files

    if not cfg.segments:
        return predictions.PredictionsWriter(cfg.output)
    listed = segment_files.read_class_ids(cfg.segment_classes, spec.CLASSES)
    return segment_files.SegmentsWriter(cfg.output, listed)


def _predict_videos(
    cfg: DictConfig,
    tagger: "Tagger",
    manifest: "Manifest",
    file: "PredictionsWriter",
    advance: Advance,
) -> None:
    from yt8m_exp.data.pipeline import ahead, ordered_batches
    from yt8m_exp.evaluation.entry import Entry
    from yt8m_exp.evaluation.scoring import best

    batches = ordered_batches(Entry(tagger.model).read(manifest), cfg.batch_size)
    videos = 0
    for batch, predictions in ahead((batch, tagger.predictor(batch)) for batch in batches):
        found = best(batch, predictions, cfg.top_k)
        file.write([video.decode() for video in batch["id"]], found.class_ids, found.scores)
        videos += len(batch["id"])
        advance(videos)


def _predict_segments(
    cfg: DictConfig,
    tagger: "Tagger",
    manifest: "Manifest",
    file: "SegmentsWriter",
    advance: Advance,
) -> None:
    from yt8m_exp.data.pipeline import ordered_batches
    from yt8m_exp.evaluation import scoring, segments

    if file.class_ids.max(initial=0) >= manifest.schema.classes:
        raise ValueError(
            f"`segment_classes` must list classes of the model, in [0, {manifest.schema.classes}), "
            f"but {cfg.segment_classes} lists {file.class_ids.max()}."
        )
    score = scoring.scorer(tagger.model, file.class_ids)
    batches = ordered_batches(manifest, cfg.batch_size)
    for videos, pieces in segments.cut_all(batches):
        for piece in pieces:
            file.write(piece["id"].tolist(), file.class_ids, score(piece))
        advance(videos)


if __name__ == "__main__":
    command.run("inference", run)

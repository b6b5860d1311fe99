"""Predicts shards with a model, into the competition's file of videos, or that of segments."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data.ahead import ahead
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.evaluation import scoring, segments
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.scoring import best
from yt8m_exp.jobs import sources
from yt8m_exp.jobs.opened import opened
from yt8m_exp.serving import loading, segment_files, whole_file
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.serving.predictions import PredictionsWriter
from yt8m_exp.serving.segment_files import SegmentsWriter
from yt8m_exp.serving.tagger import Tagger
from yt8m_exp.terminal import progress
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import datasets, store
from yt8m_exp.tracking.runs import Run

Advance = Callable[[int], None]


def run(cfg: DictConfig) -> Summary:
    """Predicts as a configuration of `conf/inference.yaml` says.

    Returns:
        The run's id, the file, and how many videos it holds.

    Raises:
        ValueError: there is no such model, or a record is bad.
        FileNotFoundError: a pattern matches no shard.
        OSError: the file cannot be written.
    """
    writer = _writer(cfg)  # refuses a place where nothing can be written
    store.connect()
    model = loading.load(cfg.model_uri)  # before a run is opened: a misspelt URI leaves none
    if cfg.segments:
        model.require_frames()
    with opened("inference", cfg) as tracked, writer as file:
        model.label(tracked.client, tracked.id)
        manifest = _scanned(cfg, tracked, model)
        predict: Any = _predict_segments if cfg.segments else _predict_videos
        began = time.perf_counter()
        with progress.shown("Predicting", manifest.records, unit="videos") as advance:
            predict(cfg, model.tagger, manifest, file, advance)
        datasets.log_read(tracked, manifest, context="predict")
        rate = manifest.records / (time.perf_counter() - began)
        tracked.writer.log({"videos": manifest.records, "videos_per_second": rate}, 0)
    result = {
        "run_id": tracked.id,
        "output": whole_file.absolute(cfg.output),
        "videos": manifest.records,
        "videos_per_second": round(rate, 1),
    }
    return Summary(f"Predictions of {model.uri}", result)


def _writer(cfg: DictConfig) -> PredictionsWriter | SegmentsWriter:
    if not cfg.segments:
        return PredictionsWriter(cfg.output)
    listed = segment_files.read_class_ids(cfg.segment_classes, spec.CLASSES)
    return SegmentsWriter(cfg.output, listed)


def _scanned(cfg: DictConfig, tracked: Run, model: Loaded) -> Manifest:
    schema = model.tagger.schema
    if cfg.segments:
        schema = replace(schema, max_frames=spec.MAX_FRAMES)  # more than a segment's may be cut
    return datasets.scanned(
        tracked,
        compose.plain(cfg)["shards"],
        schema,
        context="predict",
        on_bad_record=cfg.on_bad_record,
        labelled=False,
        reading=sources.reading(cfg),
    )


def _predict_videos(
    cfg: DictConfig,
    tagger: Tagger,
    manifest: Manifest,
    file: PredictionsWriter,
    advance: Advance,
) -> None:
    batches = ordered_batches(Entry(tagger.model).read(manifest), cfg.batch_size)
    videos = 0
    for batch, predictions in ahead((batch, tagger.predictor(batch)) for batch in batches):
        found = best(batch, predictions, cfg.top_k)
        file.write([video.decode() for video in batch["id"]], found.class_ids, found.scores)
        videos += len(batch["id"])
        advance(videos)


def _predict_segments(
    cfg: DictConfig,
    tagger: Tagger,
    manifest: Manifest,
    file: SegmentsWriter,
    advance: Advance,
) -> None:
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

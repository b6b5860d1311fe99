"""Predicts shards with a model, and writes the competition's file of videos or of segments."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import ids
from yt8m_exp.data.ahead import ahead
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.tfrecords import compiled, warming
from yt8m_exp.data.videos import Batch
from yt8m_exp.evaluation import scoring, segments, top_k
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.frame_shifts import shifted
from yt8m_exp.evaluation.sample import Sample
from yt8m_exp.evaluation.scoring import best, masked
from yt8m_exp.jobs.steps import naming, shifts, sources
from yt8m_exp.jobs.steps.opened import opened
from yt8m_exp.serving import lines, loading, segment_files, whole_file
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.serving.predictions import PredictionsWriter
from yt8m_exp.serving.segment_files import SegmentsWriter
from yt8m_exp.serving.tagger import Tagger
from yt8m_exp.spec import InputError
from yt8m_exp.terminal import progress
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import datasets, store
from yt8m_exp.tracking.pages import browser, cards

MAX_CLASSES = 1 << 31
Advance = Callable[[int], None]


def run(cfg: DictConfig) -> Summary:
    """Predicts as a configuration of `conf/inference.yaml` says.

    Returns:
        The run's id, the file, and how many videos it holds.

    Raises:
        InputError: there is no such model, a record is bad, or the file cannot be written.
        MissingInputError: a pattern matches no shard, or the file's folder does not exist.
    """
    listed = _listed(cfg)
    writer = _writer(cfg, listed)  # refuses a path that cannot be written
    store.connect()
    model = loading.load(cfg.model_uri)  # before a run is opened: a misspelt URI opens none
    _require_known(cfg, listed, model.tagger.schema.classes)
    if cfg.segments:
        model.require_frames()
    shifts.require_fit(cfg, model.tagger.schema)
    manifest = _checked(cfg, model)
    name = naming.of_use("inference", model.title, naming.videos(manifest))
    with opened("inference", cfg, name=name) as tracked, writer as file:
        model.label(tracked.client, tracked.id)
        datasets.log_read(tracked, manifest, context="predict", labelled=False)
        sample = Sample()
        seconds = _predict(cfg, model.tagger, manifest, file, listed, sample)
        manifest = datasets.log_learnt(tracked, manifest, context="predict", labelled=False)
        videos = manifest.records - len(manifest.repeats)
        what = cards.model_link(tracked.client, model.uri)
        card = f"Predictions of {what}, in `{whole_file.absolute(cfg.output)}`:"
        read = cards.data({"predict": manifest.as_dict()})
        cards.describe(tracked.client, tracked.id, f"{card}\n\n{read}")
        tracked.writer.log({"videos": videos, "videos_per_second": videos / seconds}, 0)
        if cfg.page and sample.videos:
            words = model.tagger.words
            browser.log_predictions(tracked.client, tracked.id, model.uri, sample.result(), words)
    result = {
        "run_id": tracked.id,
        "output": whole_file.absolute(cfg.output),
        "videos": videos,
        "repeated": len(manifest.repeats),
        "videos_per_second": round(videos / seconds, 1),
    }
    return Summary(f"Predictions of {model.uri}", result)


def _listed(cfg: DictConfig) -> NDArray | None:
    """Returns the classes that are predicted, None for all."""
    path = cfg.segment_classes if cfg.segments else cfg.classes
    return None if path is None else segment_files.read_class_ids(path, MAX_CLASSES)


def _writer(cfg: DictConfig, listed: NDArray | None) -> PredictionsWriter | SegmentsWriter:
    if listed is None or not cfg.segments:
        return PredictionsWriter(cfg.output, score_format=cfg.score_format)
    return SegmentsWriter(cfg.output, listed, most=cfg.segments_per_class)


def _require_known(cfg: DictConfig, listed: NDArray | None, classes: int) -> None:
    if listed is not None and listed.max(initial=0) >= classes:
        key = "segment_classes" if cfg.segments else "classes"
        raise InputError(
            f"`{key}` must list classes of the model, in [0, {classes}), but {cfg[key]} lists "
            f"{listed.max()}."
        )


def _checked(cfg: DictConfig, model: Loaded) -> Manifest:
    schema = model.tagger.schema
    if cfg.segments:
        schema = replace(schema, max_frames=spec.MAX_FRAMES)  # a model may take fewer
    return datasets.checked(
        compose.plain(cfg)["shards"],
        schema,
        on_bad_record=cfg.on_bad_record,
        labelled=False,
        reading=sources.reading(cfg),
    )


def _predict(
    cfg: DictConfig,
    tagger: Tagger,
    manifest: Manifest,
    file: Any,
    listed: NDArray | None,
    sample: Sample,
) -> float:
    """Predicts all videos; returns the seconds that this took, without compiling."""
    warming.warm([*compiled.calls(tagger.schema.level), *top_k.calls(), *lines.calls()])
    began = time.perf_counter()
    with progress.shown("Predicting", manifest.records, unit="videos") as advance:
        if cfg.segments:
            _predict_segments(cfg, tagger, manifest, file, advance)
        else:
            _predict_videos(cfg, tagger, manifest, file, advance, listed, sample)
    return time.perf_counter() - began


def _batches(manifest: Manifest, batch_size: int | None) -> Iterator[Batch]:
    """Yields each video once, even if its id is repeated."""
    batches = ordered_batches(manifest, batch_size)
    unique = manifest.is_read and not manifest.repeats
    return batches if unique else ids.once(batches)


def _predict_videos(
    cfg: DictConfig,
    tagger: Tagger,
    manifest: Manifest,
    file: PredictionsWriter,
    advance: Advance,
    listed: NDArray | None,
    sample: Sample,
) -> None:
    read = manifest if shifts.moves(cfg) else Entry(tagger.model).read(manifest)
    batches = _batches(read, cfg.batch_size)
    predict = shifted(tagger.predictor, cfg.frame_shifts)
    videos = 0
    for batch, predictions in ahead((batch, predict(batch)) for batch in batches):
        if listed is not None:
            predictions = masked(predictions, listed)
        found = best(batch, predictions, cfg.top_k)
        file.write([video.decode() for video in batch["id"]], found.class_ids, found.scores)
        sample.add(batch, found.scores, found.class_ids)
        videos += len(batch["id"])
        advance(videos)


def _predict_segments(
    cfg: DictConfig, tagger: Tagger, manifest: Manifest, file: SegmentsWriter, advance: Advance
) -> None:
    score = scoring.scorer(tagger.model, file.class_ids)
    for videos, pieces in segments.cut_all(_batches(manifest, cfg.batch_size)):
        for piece in pieces:
            file.write(piece["id"].tolist(), file.class_ids, score(piece))
        advance(videos)

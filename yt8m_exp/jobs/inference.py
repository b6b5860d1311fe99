"""Predicts shards with a model, and writes the competition's file of videos or of segments."""

from contextlib import ExitStack
from dataclasses import replace

from numpy.typing import NDArray
from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.evaluation.sample import Sample
from yt8m_exp.jobs.steps import naming, shifts, sources
from yt8m_exp.jobs.steps.batch import alone, predict
from yt8m_exp.jobs.steps.opened import opened
from yt8m_exp.serving import loading, parquet, segment_files, whole_file
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.serving.parquet import ParquetWriter
from yt8m_exp.serving.predictions import PredictionsWriter
from yt8m_exp.serving.segment_files import SegmentsWriter
from yt8m_exp.spec import InputError
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import datasets, store
from yt8m_exp.tracking.pages import browser, cards
from yt8m_exp.tracking.runs import Run

MAX_CLASSES = 1 << 31


def run(cfg: DictConfig) -> Summary:
    """Predicts as a configuration of `conf/inference.yaml` says.

    Returns:
        The run's id, the file, and how many videos it holds.

    Raises:
        InputError: there is no such model, a record is bad, or the file cannot be written.
        MissingInputError: a pattern matches no shard, or the file's folder does not exist.
    """
    listed = _listed(cfg)
    file = _file(cfg, listed)  # refuses a path that cannot be written
    with ExitStack() as stack:
        by_shard = predict.is_wanted(cfg)
        launcher = stack.enter_context(predict.launched(cfg)) if by_shard else None
        store.connect()
        model = loading.load(cfg.model_uri)  # before a run is opened: a misspelt URI opens none
        _require_known(cfg, listed, model.tagger.schema.classes)
        if cfg.segments:
            model.require_frames()
        shifts.require_frames(cfg, model.tagger.schema)
        manifest = _checked(cfg, model, by_shard=by_shard)
        name = naming.of_use("inference", model.title, naming.videos(manifest))
        tracked = stack.enter_context(opened("inference", cfg, name=name))
        model.label(tracked.client, tracked.id)
        datasets.log_read(tracked, manifest, context="predict", labelled=False)
        sample = Sample()
        if launcher:
            work = predict.ByShard(cfg, model, manifest, listed, tracked)
            done = work.predict(launcher, file, sample)
        else:
            done = alone.predict(cfg, model.tagger, manifest, listed, file, sample)
        manifest = datasets.log_learnt(tracked, manifest, context="predict", labelled=False)
        _record(cfg, tracked, model, manifest, sample)
        rate = done.made / done.seconds
        tracked.writer.log({"videos": done.videos, "videos_per_second": rate}, 0)
    result = {
        "run_id": tracked.id,
        "output": whole_file.absolute(cfg.output),
        "videos": done.videos,
        "repeated": done.repeated,
        "videos_per_second": round(rate, 1),
    }
    return Summary(f"Predictions of {model.uri}", result)


def _listed(cfg: DictConfig) -> NDArray | None:
    """Returns the classes that are predicted, None for all."""
    path = cfg.segment_classes if cfg.segments else cfg.classes
    return None if path is None else segment_files.read_class_ids(path, MAX_CLASSES)


def _file(
    cfg: DictConfig, listed: NDArray | None
) -> PredictionsWriter | ParquetWriter | SegmentsWriter | None:
    """Returns what the output is written by; None if it is a folder."""
    if cfg.output.endswith("/"):
        return None
    if listed is not None and cfg.segments:
        return SegmentsWriter(cfg.output, listed, most=cfg.segments_per_class)
    if cfg.output.endswith(parquet.SUFFIX):
        return ParquetWriter(cfg.output)
    return PredictionsWriter(cfg.output, score_format=cfg.score_format)


def _require_known(cfg: DictConfig, listed: NDArray | None, classes: int) -> None:
    if listed is not None and listed.max(initial=0) >= classes:
        key = "segment_classes" if cfg.segments else "classes"
        raise InputError(
            f"`{key}` must list classes of the model, in [0, {classes}), but {cfg[key]} lists "
            f"{listed.max()}."
        )


def _checked(cfg: DictConfig, model: Loaded, *, by_shard: bool) -> Manifest:
    """Returns the shards, checked as far as `data.check_bytes` says; workers check their own."""
    schema = model.tagger.schema
    if cfg.segments:
        schema = replace(schema, max_frames=spec.MAX_FRAMES)  # a model may take fewer
    reading = sources.reading(cfg)
    return datasets.checked(
        compose.plain(cfg)["shards"],
        schema,
        on_bad_record="skip" if by_shard else cfg.on_bad_record,
        labelled=False,
        reading=replace(reading, check_bytes=0) if by_shard else reading,
    )


def _record(
    cfg: DictConfig, tracked: Run, model: Loaded, manifest: Manifest, sample: Sample
) -> None:
    """Logs the description of the run, and the page of its videos."""
    what = cards.model_link(tracked.client, model.uri)
    card = f"Predictions of {what}, in `{whole_file.absolute(cfg.output)}`:"
    read = cards.data({"predict": manifest.as_dict()})
    cards.describe(tracked.client, tracked.id, f"{card}\n\n{read}")
    if cfg.page and sample.videos:
        words = model.tagger.words
        browser.log_predictions(tracked.client, tracked.id, model.uri, sample.result(), words)

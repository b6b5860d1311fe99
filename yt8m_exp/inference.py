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
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from yt8m_exp.data.shards import Manifest
    from yt8m_exp.data.videos import Batch
    from yt8m_exp.serving.predictions import PredictionsWriter
    from yt8m_exp.serving.segment_files import SegmentsWriter
    from yt8m_exp.serving.tagger import Tagger

logger = logging.getLogger(__name__)
Advance = Callable[[int], None]
MOST_CLASSES = 1 << 31


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

    for key in ("top_k", "segments_per_class"):
        if cfg[key] < 1:
            raise ValueError(f"`{key} >= 1` must hold, but got {key}={cfg[key]}.")
    listed = _listed(cfg)
    writer = _writer(cfg, listed)  # refuses a place where nothing can be written
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
        from yt8m_exp.tracking import inputs

        with quiet.startup():
            from yt8m_exp.serving import loading

        model = loading.load(cfg.model_uri)
        for key, value in model.tags().items():
            tracked.client.set_tag(tracked.id, key, value)
        schema = model.tagger.schema
        _require_known(cfg, listed, schema.classes)
        if cfg.segments:
            model.require_frames()
            schema = replace(schema, max_frames=spec.MAX_FRAMES)  # more than a segment's may be cut
        _warm(schema.level)
        manifest = inputs.scanned(
            tracked,
            OmegaConf.to_object(cfg)["shards"],  # type: ignore[index, call-overload]
            schema,
            context="predict",
            on_bad_record=cfg.on_bad_record,
            labelled=False,
        )
        began = time.perf_counter()
        with progress.shown("Predicting", manifest.records, unit="videos") as advance:
            if cfg.segments:
                _predict_segments(cfg, model.tagger, manifest, file, advance)
            else:
                _predict_videos(cfg, model.tagger, manifest, file, advance, listed)
        videos = manifest.records - len(manifest.repeats)
        rate = videos / (time.perf_counter() - began)
        tracked.writer.log({"videos": videos, "videos_per_second": rate}, 0)
        result = {
            "run_id": tracked.id,
            "output": str(Path(cfg.output).absolute()),
            "videos": videos,
            "repeated": len(manifest.repeats),
            "videos_per_second": round(rate, 1),
        }
        summary.show(f"Predictions of {model.uri}", result, {})
    return result


def _listed(cfg: DictConfig) -> "NDArray | None":
    """Returns the classes that are predicted, None for all."""
    from yt8m_exp.serving import segment_files

    path = cfg.segment_classes if cfg.segments else cfg.classes
    return None if path is None else segment_files.read_class_ids(path, MOST_CLASSES)


def _writer(cfg: DictConfig, listed: "NDArray | None") -> Any:
    from yt8m_exp.serving import predictions, segment_files

    if not cfg.segments:
        return predictions.PredictionsWriter(cfg.output, score_format=cfg.score_format)
    if listed is None:
        raise ValueError("segment_classes must be given with segments=true: the classes to list.")
    return segment_files.SegmentsWriter(cfg.output, listed, most=cfg.segments_per_class)


def _require_known(cfg: DictConfig, listed: "NDArray | None", classes: int) -> None:
    if listed is not None and listed.max(initial=0) >= classes:
        key = "segment_classes" if cfg.segments else "classes"
        raise ValueError(
            f"`{key}` must list classes of the model, in [0, {classes}), but {cfg[key]} lists "
            f"{listed.max()}."
        )


def _warm(level: str) -> None:
    from yt8m_exp.data import compiled, warming
    from yt8m_exp.evaluation import top_k
    from yt8m_exp.serving import lines

    of_frames = compiled.calls() if level != "video" else []
    warming.warm([*of_frames, *top_k.calls(), *lines.calls()])


def _batches(manifest: "Manifest", batch_size: int | None) -> "Iterator[Batch]":
    """Yields each video once, also where its id occurs again."""
    from yt8m_exp.data import ids
    from yt8m_exp.data.pipeline import ordered_batches

    batches = ordered_batches(manifest, batch_size)
    return ids.once(batches) if manifest.repeats else batches


def _predict_videos(
    cfg: DictConfig,
    tagger: "Tagger",
    manifest: "Manifest",
    file: "PredictionsWriter",
    advance: Advance,
    listed: "NDArray | None",
) -> None:
    from yt8m_exp.data.pipeline import ahead
    from yt8m_exp.evaluation.entry import Entry
    from yt8m_exp.evaluation.scoring import best, masked

    batches = _batches(Entry(tagger.model).read(manifest), cfg.batch_size)
    videos = 0
    for batch, predictions in ahead((batch, tagger.predictor(batch)) for batch in batches):
        if listed is not None:
            predictions = masked(predictions, listed)
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
    from yt8m_exp.evaluation import scoring, segments

    score = scoring.scorer(tagger.model, file.class_ids)
    batches = _batches(manifest, cfg.batch_size)
    for videos, pieces in segments.cut_all(batches):
        for piece in pieces:
            file.write(piece["id"].tolist(), file.class_ids, score(piece))
        advance(videos)


if __name__ == "__main__":
    command.run("inference", run)

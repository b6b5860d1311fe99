"""Predicts shards with a model, into the competition's file."""

import logging
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> dict[str, Any]:
    """Predicts as a configuration of `conf/inference.yaml` says.

    Returns:
        The run's id, the file, and how many videos it holds.

    Raises:
        ValueError: there is no such model, or a record is bad.
        FileNotFoundError: a pattern matches no shard.
        OSError: the file cannot be written.
    """
    from yt8m_exp.serving.predictions import PredictionsWriter
    from yt8m_exp.tracking.runs import open_run

    if cfg.top_k < 1:
        raise ValueError(f"`top_k >= 1` must hold, but got top_k={cfg.top_k}.")
    writer = PredictionsWriter(cfg.output)  # refuses a place where nothing can be written
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
        from yt8m_exp.data.pipeline import ahead, ordered_batches
        from yt8m_exp.serving import loading
        from yt8m_exp.terminal import progress, summary
        from yt8m_exp.tracking import inputs

        model = loading.load(cfg.model_uri)
        for key, value in model.tags().items():
            tracked.client.set_tag(tracked.id, key, value)
        patterns = OmegaConf.to_object(cfg)["shards"]  # type: ignore[index, call-overload]
        manifest = inputs.scanned(
            tracked,
            patterns,
            model.tagger.schema,
            context="predict",
            on_bad_record=cfg.on_bad_record,
            labelled=False,
        )
        began, videos = time.perf_counter(), 0
        with progress.shown("Predicting", manifest.records, unit="videos") as advance:
            batches = ordered_batches(manifest, cfg.batch_size)
            predict = model.tagger.predictor
            for batch, best in ahead((batch, predict(batch, cfg.top_k)) for batch in batches):
                file.write([video.decode() for video in batch["id"]], best.class_ids, best.scores)
                videos += len(batch["id"])
                advance(videos)
        rate = videos / (time.perf_counter() - began)
        tracked.writer.log({"videos": videos, "videos_per_second": rate}, 0)
        result = {
            "run_id": tracked.id,
            "output": str(Path(cfg.output).absolute()),
            "videos": videos,
            "videos_per_second": round(rate, 1),
        }
        summary.show(f"Predictions of {model.uri}", result, {})
    return result


if __name__ == "__main__":
    command.run("inference", run)

"""Makes a model of a checkpoint of Google's starter code, and logs it as training does."""

import logging
import tempfile
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command, spec

if TYPE_CHECKING:
    import keras

    from yt8m_exp.data.shards import Manifest
    from yt8m_exp.tracking.runs import Run

logger = logging.getLogger(__name__)

CLEARLY = 0.02
"""Of GAP: what another order of features must gain to be taken for the right one."""
VOCABULARY = Path(__file__).parents[1] / "sample" / "vocabulary.csv"


def run(cfg: DictConfig) -> dict[str, Any]:
    """Imports as a configuration of `conf/import_checkpoint.yaml` says.

    Returns:
        The run's id, the model's URI, and its version where it was registered.

    Raises:
        FileNotFoundError: there is no checkpoint or vocabulary.
        ValueError: the checkpoint does not fit the model, or the vocabulary its classes; or the
            GAP is clearly better with features in another order.
    """
    from yt8m_exp.tracking.runs import open_run

    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    with open_run(
        "import_checkpoint",
        experiment=cfg.tracking.experiment,
        config=config,
        root=Path(cfg.tracking.runs),
        name=cfg.tracking.run_name or cfg.kind,
        system_metrics=cfg.tracking.system_metrics,
    ) as tracked:
        from yt8m_exp.data import vocabulary
        from yt8m_exp.terminal import quiet, summary

        with quiet.startup():
            from yt8m_exp.registry import versions
            from yt8m_exp.serving import packaging
            from yt8m_exp.training import starter_checkpoints

        checkpoint = starter_checkpoints.opened(cfg.checkpoint, cfg.kind)
        features, options = checkpoint.order(config["features"]), config["options"] or {}
        model = checkpoint.model(features, options)
        gaps = {}
        if cfg.shards:
            manifest = _scanned(cfg, tracked, model)
            gaps = {"gap": _gap(model, manifest)}
            for order in list(permutations(features))[1:]:
                other = {name: features[name] for name in order}
                _require_better(
                    gaps["gap"], _gap(checkpoint.model(other, options), manifest), other
                )
        classes = model.output.shape[-1]
        words = vocabulary.read(
            cfg.vocabulary or (VOCABULARY if classes == spec.CLASSES else None),
            classes,
            key="vocabulary",
        )
        about = {"run_id": tracked.id, "examples": 0, "checkpoint": str(cfg.checkpoint)}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "imported.keras"
            model.save(path)
            info = packaging.log_model(path, name="imported", step=0, words=words, about=about)
        result: dict[str, Any] = {"run_id": tracked.id, "model_uri": info.model_uri}
        if gaps:
            points = {f"val/{name}": value for name, value in gaps.items()}
            data = "yt8m-check", manifest.digest
            packaging.log_metrics(tracked.id, info.model_id, points, step=0, data=data)
            result |= gaps
        if cfg.register:
            version = versions.register(tracked.client, info.model_uri, cfg.register)
            result |= {"registered": cfg.register, "version": version}
        predict = f"python -m yt8m_exp.inference model_uri={info.model_uri}"
        summary.show(f"{model.name} of {cfg.checkpoint}", result, {"Predict": predict})
        return result


def _scanned(cfg: DictConfig, tracked: "Run", model: "keras.Model") -> "Manifest":
    from yt8m_exp.serving import tagger
    from yt8m_exp.tracking import inputs

    patterns = OmegaConf.to_object(cfg)["shards"]  # type: ignore[index, call-overload]
    bad = cfg.on_bad_record
    return inputs.scanned(
        tracked, patterns, tagger.schema(model), context="check", on_bad_record=bad
    )


def _gap(model: "keras.Model", manifest: "Manifest") -> float:
    from yt8m_exp.data.pipeline import ordered_batches
    from yt8m_exp.evaluation import scoring
    from yt8m_exp.evaluation.entry import Entry
    from yt8m_exp.training.loss_values import value_of
    from yt8m_exp.training.losses import cross_entropy

    metrics, _ = scoring.evaluate(
        scoring.predictor(model),
        value_of(cross_entropy),
        ordered_batches(Entry(model).read(manifest)),
        manifest.schema.classes,
    )
    return metrics.gap


def _require_better(gap: float, other: float, features: dict[str, int]) -> None:
    given = ", ".join(f"{name}: {size}" for name, size in features.items())
    logger.info("GAP %.4f; with features={%s} it would be %.4f", gap, given, other)
    if other > gap + CLEARLY:
        raise ValueError(
            f"The checkpoint must be read in the order of its features, but its GAP is {gap:.4f}, "
            f"and {other:.4f} in another order. Give features={{{given}}}."
        )


if __name__ == "__main__":
    command.run("import_checkpoint", run)

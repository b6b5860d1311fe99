"""Makes one model of several, measures its file, and logs it as training does."""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.evaluation import metrics, scoring
from yt8m_exp.evaluation.metrics import Evaluation
from yt8m_exp.jobs.steps import naming, sources
from yt8m_exp.jobs.steps.ensembles import members, mixture
from yt8m_exp.jobs.steps.ensembles.mixture import Mixed
from yt8m_exp.jobs.steps.opened import opened
from yt8m_exp.models.ensembles import compact
from yt8m_exp.registry import measure, registration
from yt8m_exp.serving import loading, packaging, tagger
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.terminal import progress
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import datasets, results, store
from yt8m_exp.tracking.pages import cards, logged_models
from yt8m_exp.tracking.runs import Run
from yt8m_exp.training.loss_values import value_of
from yt8m_exp.training.losses import cross_entropy

logger = logging.getLogger(__name__)

FILE = "ensemble.keras"


class Measured(NamedTuple):
    """What was measured of an ensemble's file.

    Attributes:
        model: the model in the file.
        found: its scores.
        values: the metrics by key.
        facts: `bytes`, `parameters`, `latency_milliseconds`, and `gap_loss`, the GAP that a lower
            precision of the weights costs.
    """

    model: keras.Model
    found: Evaluation
    values: dict[str, float | None]
    facts: dict[str, float]


def run(cfg: DictConfig) -> Summary:
    """Makes an ensemble as a configuration of `conf/ensemble.yaml` says.

    Returns:
        The run's id, the model's URI, the weight of each member, the metrics, the size and latency
        of the model, and its version if it is registered.

    Raises:
        InputError: members disagree, the ensemble is too large, or a record is bad.
        MissingInputError: a pattern matches no shard.
    """
    client = store.connect()
    uris = members.named(client, compose.plain(cfg)["members"], cfg.best)
    loaded = [loading.load(uri) for uri in uris]
    schema = tagger.schema(mixture.of_equals([found.tagger.model for found in loaded]))
    manifest = sources.checked(cfg, schema)
    with opened("ensemble", cfg, name=naming.of_use("ensemble", f"{len(uris)} models")) as tracked:
        datasets.log_read(tracked, manifest, context="eval")
        mixed = mixture.mixed(cfg, tracked, loaded)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / FILE
            compact.build(mixed.model, cfg.precision).save(path)
            members.require_small(path.stat().st_size, cfg.max_bytes)
            measured = _measured(cfg, path, mixed.model, manifest)
            manifest = datasets.log_learnt(tracked, manifest, context="eval")
            datasets.log_trained_on(tracked, manifest, mixed.read.get("train"))
            return _logged(cfg, tracked, loaded, mixed, measured, manifest, path)


def _measured(cfg: DictConfig, path: Path, whole: keras.Model, manifest: Manifest) -> Measured:
    """Measures the model in a file, and what it lost against the one that it was made of."""
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    found = _scored(cfg, model, manifest)
    values = metrics.values(found, metrics.curves())
    predict = scoring.predictor(model)
    video = {name: rows[:1] for name, rows in next(ordered_batches(manifest, 1)).items()}
    facts: dict[str, float] = {
        "bytes": path.stat().st_size,
        "parameters": model.count_params(),
        "latency_milliseconds": round(measure.latency(predict, video), 2),
    }
    if cfg.precision != "float32":
        before = metrics.values(_scored(cfg, whole, manifest), [metrics.GAP])
        facts["gap_loss"] = (before["gap"] or 0.0) - (values["gap"] or 0.0)
    return Measured(model, found, values, facts)


def _scored(cfg: DictConfig, model: keras.Model, manifest: Manifest) -> Evaluation:
    with progress.shown("Evaluating", manifest.records, unit="videos") as advance:
        return scoring.evaluate_model(
            model, value_of(cross_entropy), manifest, cfg.batch_size, advance=advance
        )


def _logged(
    cfg: DictConfig,
    tracked: Run,
    loaded: list[Loaded],
    mixed: Mixed,
    measured: Measured,
    manifest: Manifest,
    path: Path,
) -> Summary:
    """Logs the model, its scores, its members and its description; registers it if asked to."""
    client, words = tracked.client, loaded[0].tagger.words
    about = {"run_id": tracked.id, "examples": 0, "members": mixed.weights} | mixed.read
    model_id = packaging.log_model(
        path, role=logged_models.BEST, step=0, words=words, about=about, model=measured.model
    )
    model_uri = f"models:/{model_id}"
    points, data = metrics.logged(measured.values), ("yt8m-eval", manifest.digest)
    packaging.log_metrics(tracked.id, model_id, points, step=0, data=data)
    tracked.writer.log({f"model/{key}": value for key, value in measured.facts.items()}, 0)
    said = {key: str(value) for key, value in measured.facts.items()}
    tags = {"members": ", ".join(mixed.weights), **said}
    card = _card(cfg, tracked, mixed, measured, manifest)
    client.set_logged_model_tags(model_id, tags | {cards.NOTE: card})
    cards.describe(client, tracked.id, card)
    if measured.found.ranked and cfg.figures:
        results.log_evaluation(client, tracked.id, measured.found.ranked, words.names)
    result: dict[str, Any] = {
        "run_id": tracked.id,
        "model_uri": model_uri,
        "weights": mixed.weights,
        "metrics": measured.values,
        **measured.values,
        **measured.facts,
    }
    if cfg.register:
        version = registration.register(client, model_uri, cfg.register)
        result |= {"registered": cfg.register, "version": version}
    return _summary(tracked, result, measured.values)


def _card(
    cfg: DictConfig, tracked: Run, mixed: Mixed, measured: Measured, manifest: Manifest
) -> str:
    """Returns the description of the run and of its model."""
    rows = [
        [cards.model_link(tracked.client, uri), f"{weight:.4f}"]
        for uri, weight in mixed.weights.items()
    ]
    facts = ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in measured.facts.items())
    return "\n\n".join([
        f"The mean of {len(rows)} models' {cfg.mean}, in one file:",
        cards.table(["member", "weight"], rows),
        *mixed.notes,
        cards.scores(measured.values),
        cards.data({"eval": manifest.as_dict()} | mixed.read),
        f"{facts[:1].upper()}{facts[1:]}; weights in {cfg.precision}.",
    ])  # fmt: skip


def _summary(
    tracked: Run, result: Mapping[str, Any], values: Mapping[str, float | None]
) -> Summary:
    weights = {f"weight of {uri}": weight for uri, weight in result["weights"].items()}
    hidden = ("weights", "metrics")
    rows = {key: value for key, value in result.items() if key not in hidden}
    hints = {
        **store.pages(tracked.client, tracked.before.info),
        "Predict": f"yt8m inference model_uri={result['model_uri']}",
    }
    title = f"An ensemble of {len(weights)} models"
    return Summary(title, result, weights | rows | metrics.shown(values), hints)

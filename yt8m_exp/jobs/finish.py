"""What a training ends with: its best model scored, logged, shown, registered."""

import logging
from typing import Any, NamedTuple

import keras
from hydra.utils import instantiate

from yt8m_exp.config import compose
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation import metrics, scoring
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.ranking import Ranked
from yt8m_exp.jobs.work import Work
from yt8m_exp.registry import versions
from yt8m_exp.serving import packaging
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import configuration, datasets, results
from yt8m_exp.tracking.runs import Run
from yt8m_exp.training.fit import TrainState
from yt8m_exp.training.loss_values import value_of

logger = logging.getLogger(__name__)


class Scored(NamedTuple):
    """A model, and what it scores: all that was measured, where that is known, and the values."""

    model: keras.Model
    ranked: Ranked | None
    values: dict[str, float | None]


def finish(work: Work, tracked: Run, state: TrainState, names: Vocabulary, rate: float) -> Summary:
    """Logs the best model, as its file scores, and the last, and says where all that is.

    Args:
        work: the training.
        tracked: its run.
        state: where it ended.
        names: the names of the classes.
        rate: examples per second.
    """
    cfg, train, validate = work.cfg, work.train, work.validate
    tracked.writer.flush()
    best = _best(work, state)
    train = datasets.log_learnt(tracked, train, context="train")
    validate = datasets.log_learnt(tracked, validate, context="validate")
    model_uri = _log_models(work, tracked, state, names, best)
    if best.ranked and cfg.figures:
        results.log_evaluation(
            tracked.client, tracked.id, best.ranked, names.names, frequency=train.class_counts()
        )
        results.log_curves(tracked.client, tracked.id, best=state.best_examples)
    name = best.model.name
    note = results.note(name, best.values, train.records, validate.records, model_uri)
    if changes := configuration.changes(tracked.client.get_run(tracked.id).data.params):
        note += f"\n\nChanged when it was resumed: {'; '.join(changes)}."
    tracked.client.set_tag(tracked.id, "mlflow.note.content", note)
    result = {
        "run_id": tracked.id,
        "model_uri": model_uri,
        **best.values,
        "examples": state.examples,
        "examples_per_second": round(rate, 1),
        **{
            name.removeprefix("model/"): value
            for name, value in work.manager.learner.size().items()
        },
    }
    if cfg.register:
        version = versions.register(tracked.client, model_uri, cfg.register)
        result |= {"registered": cfg.register, "version": version}
    hints = {
        "Look": f"mlflow ui --backend-store-uri {tracked.client.tracking_uri}",
        "Predict": f"python -m yt8m_exp.inference model_uri={model_uri}",
    }
    measured = f"measured on {validate.records:,} others"
    trained = f"{'' if train.is_read else 'about '}{train.records:,}"
    title = f"{name}, trained on {trained} videos, {measured}"
    return Summary(title, result, {**result, **metrics.shown(best.values)}, hints)


def _best(work: Work, state: TrainState) -> Scored:
    """Returns the best model, scored as its file is."""
    cfg, manager = work.cfg, work.manager
    # What training measured will do without figures; but a kill may have left a newer file.
    if not (cfg.figures or cfg.resume or not state.best_metrics):
        logger.info("Logging the best model")
        return Scored(manager.learner.model, None, state.best_metrics)
    logger.info("Logging the best model, scored as it was saved")
    model = keras.saving.load_model(manager.best, compile=False)
    found = scoring.evaluate(
        scoring.predictor(model),
        value_of(instantiate(cfg.loss)),
        ordered_batches(Entry(model).read(work.validate)),
        cfg.data.classes,
    )
    return Scored(model, found.ranked, metrics.values(found, metrics.curves()))


def _log_models(
    work: Work, tracked: Run, state: TrainState, names: Vocabulary, best: Scored
) -> str:
    """Logs the best model with its metrics and, beside figures, the last one; returns its URI."""
    manager, validate = work.manager, work.validate
    about: dict[str, Any] = {
        "run_id": tracked.id,
        "examples": state.best_examples,
        "train": work.train.as_dict(),
        "validate": validate.as_dict(),
        "loss": compose.plain(work.cfg.loss),
    }
    if work.cfg.figures:
        last = manager.folder / "last.keras"
        manager.learner.save_model(last)
        seen = about | {"examples": state.examples}
        packaging.log_model(last, name="last", step=state.examples, words=names, about=seen)
    step = state.best_examples
    info = packaging.log_model(
        manager.best, name="best", step=step, words=names, about=about, model=best.model
    )
    data_set = ("yt8m-validate", validate.digest)
    scores = metrics.logged(best.values, whose=metrics.BEST)
    packaging.log_metrics(tracked.id, info.model_id, scores, step=step, data=data_set)
    return info.model_uri

"""The end of a training: scores, logs, shows and registers its best model."""

import logging
from dataclasses import replace
from typing import Any, NamedTuple

import keras

from yt8m_exp.config import compose
from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation import metrics, scoring
from yt8m_exp.evaluation.ranked import Ranked
from yt8m_exp.jobs.steps import recipe
from yt8m_exp.jobs.steps.work import Work
from yt8m_exp.registry import registration
from yt8m_exp.serving import packaging
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import configuration, datasets, patience, results, store
from yt8m_exp.tracking.pages import cards, logged_models
from yt8m_exp.tracking.runs import Run
from yt8m_exp.training.fit import TrainState
from yt8m_exp.training.loss_values import value_of

logger = logging.getLogger(__name__)


class Scored(NamedTuple):
    """A model and its scores: the full ranking, None if it was not computed, and the metrics."""

    model: keras.Model
    ranked: Ranked | None
    values: dict[str, float | None]


def finish(work: Work, tracked: Run, state: TrainState, names: Vocabulary, rate: float) -> Summary:
    """Logs the best model with the scores of its file, and the last model.

    Args:
        work: the training.
        tracked: its run.
        state: its last state.
        names: the names of the classes.
        rate: examples per second.
    """
    patience.close()
    tracked.writer.flush(patience.left())
    best = _best(work, state)
    work = replace(
        work,
        train=datasets.log_learnt(tracked, work.train, context="train"),
        validate=datasets.log_learnt(tracked, work.validate, context="validate"),
    )
    if work.leaked:  # all of them are known by now
        tracked.writer.log({datasets.IDS_IN_TRAIN: work.leaked}, 0)
    if work.train.began_unread or work.validate.began_unread:
        datasets.warn_of_leaked(work.leaked, work.validate)  # more is known than before
    model_uri = _log_models(work, tracked, state, names, best)
    _describe(work, tracked, state, names, best, model_uri)
    size = work.manager.learner.size().items()
    result = {
        "run_id": tracked.id,
        "model_uri": model_uri,
        **best.values,
        "examples": state.examples,
        "examples_per_second": round(rate, 1),
        **{name.removeprefix("model/"): value for name, value in size},
    }
    if registered := work.cfg.register:
        version = registration.register(tracked.client, model_uri, registered)
        result |= {"registered": registered, "version": version}
    hints = {
        **store.pages(tracked.client, tracked.before.info),
        "Predict": f"yt8m inference model_uri={model_uri}",
    }
    measured = cards.measured_on(work.validate.records, work.leaked)
    train = work.train
    trained = cards.trained_on(train.records, state.examples, is_exact=train.is_read)
    title = f"{best.model.name}, {trained}, {measured}"
    return Summary(title, result, {**result, **metrics.shown(best.values)}, hints)


def _best(work: Work, state: TrainState) -> Scored:
    """Returns the best model with the scores of its file."""
    cfg, manager = work.cfg, work.manager
    # Without figures, the scores from training are enough. But a kill may have left a newer file,
    # so a resumed run scores the file again.
    if not (cfg.figures or cfg.resume or not state.best_metrics):
        logger.info("Logging the best model")
        return Scored(manager.learner.model, None, state.best_metrics)
    logger.info("Scoring the file of the best model, and logging it")
    model = keras.saving.load_model(manager.best, compile=False)
    loss = value_of(recipe.loss(cfg.loss, cfg.data.classes))
    found = scoring.evaluate_model(model, loss, work.validate)
    return Scored(model, found.ranked, metrics.values(found, metrics.curves()))


def _log_models(
    work: Work, tracked: Run, state: TrainState, names: Vocabulary, best: Scored
) -> str:
    """Logs the best model with its metrics, with figures also the last; returns the best's URI."""
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
        packaging.log_model(last, role="last", step=state.examples, words=names, about=seen)
    step = state.best_examples
    model_id = packaging.log_model(
        manager.best, role=logged_models.BEST, step=step, words=names, about=about, model=best.model
    )
    data_set = ("yt8m-validate", validate.digest)
    scores = metrics.logged(best.values, whose=metrics.BEST)
    packaging.log_metrics(tracked.id, model_id, scores, step=step, data=data_set)
    return f"models:/{model_id}"


def _describe(
    work: Work, tracked: Run, state: TrainState, names: Vocabulary, best: Scored, model_uri: str
) -> None:
    """Logs the figures of the best model, where they are wanted, and the note of the run."""
    train, client = work.train, tracked.client
    if best.ranked and work.cfg.figures:
        results.log_evaluation(
            client, tracked.id, best.ranked, names.names, frequency=train.class_counts()
        )
        results.log_curves(client, tracked.id, best=state.best_examples)
    run = client.get_run(tracked.id).data
    card = cards.training(
        best.model.name,
        best.values,
        {"train": train.as_dict(), "validate": work.validate.as_dict()},
        command=run.tags["command"],
        settings=configuration.settings(run.params),
        model_uri=model_uri,
        limits=_limits(work, best),
        examples=state.examples,
        leaked=work.leaked,
    )
    if resumed := configuration.resumed_at(run.tags):
        card += f"\n\nResumed at {' and '.join(f'{examples:,}' for examples in resumed)} examples."
    if changes := configuration.changes(run.params):
        card += f"\n\nChanged when it was resumed: {'; '.join(changes)}."
    cards.describe(client, tracked.id, card)
    model_id = model_uri.removeprefix("models:/")
    client.set_logged_model_tags(model_id, {cards.NOTE: card})


def _limits(work: Work, best: Scored) -> str:
    """Returns what the numbers of the best model do not say."""
    said = "The best of all evaluations on these videos is reported, so it flatters a little."
    if best.ranked is None:
        return said
    classes, with_positives = work.cfg.data.classes, best.ranked.classes_with_positives
    none = f"{classes - with_positives:,} of {classes:,} classes"
    return f"{said} {none} have no video there, so nothing is known of them."

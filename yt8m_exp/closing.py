"""What a training ends with: its best model scored, logged, shown, registered."""

import logging
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from yt8m_exp.data.shards import Manifest
    from yt8m_exp.data.vocabulary import Vocabulary
    from yt8m_exp.tracking.runs import Run
    from yt8m_exp.training.fit import State
    from yt8m_exp.training.learner import Keeper

logger = logging.getLogger(__name__)


def close(
    cfg: DictConfig,
    tracked: "Run",
    keeper: "Keeper",
    data: tuple["Manifest", "Manifest"],
    state: "State",
    words: "Vocabulary",
    rate: float,
) -> dict[str, Any]:
    """Logs the best model, as its file scores, and the last, and says where all that is.

    Args:
        cfg: the configuration of the training.
        tracked: its run.
        keeper: holds its best model, and what it has learnt at the end.
        data: the shards that it trained on, and those that it is measured on.
        state: where it ended.
        words: the names of the classes.
        rate: examples per second.

    Returns:
        The result of the verb.
    """
    import keras

    from yt8m_exp.data.pipeline import ordered_batches
    from yt8m_exp.evaluation import metrics, scoring
    from yt8m_exp.evaluation.entry import Entry
    from yt8m_exp.registry import versions
    from yt8m_exp.serving import packaging
    from yt8m_exp.terminal import summary
    from yt8m_exp.tracking import configuration, results
    from yt8m_exp.training.loss_values import value_of

    train, validate = data
    best, values = keeper.learner.model, state.best_metrics
    # What training measured will do without figures; but a kill may have left a newer file.
    rescored = cfg.figures or cfg.resume or not values
    logger.info("Logging the best model%s", ", scored as it was saved" if rescored else "")
    tracked.writer.flush()
    if rescored:
        best = keras.saving.load_model(keeper.best, compile=False)
        found = scoring.evaluate(
            scoring.predictor(best),
            value_of(instantiate(cfg.loss)),
            ordered_batches(Entry(best).read(validate)),
            cfg.data.classes,
        )
        values = metrics.values(found, metrics.curves())
    about = {
        "run_id": tracked.id,
        "examples": state.best_examples,
        "train": train.as_dict(),
        "validate": validate.as_dict(),
        "loss": OmegaConf.to_container(cfg.loss),
    }
    if cfg.figures:
        last = keeper.folder / "last.keras"
        keeper.learner.save_model(last)
        seen = about | {"examples": state.examples}
        packaging.log_model(last, name="last", step=state.examples, words=words, about=seen)
    info = packaging.log_model(
        keeper.best, name="best", step=state.best_examples, words=words, about=about, model=best
    )
    packaging.log_metrics(
        tracked.id,
        info.model_id,
        metrics.logged(values, whose=metrics.BEST),
        step=state.best_examples,
        data=("yt8m-validate", validate.digest),
    )
    if cfg.figures and found.ranked:
        results.log_evaluation(
            tracked.client, tracked.id, found.ranked, words.names, frequency=train.class_counts()
        )
        results.log_curves(tracked.client, tracked.id, best=state.best_examples)
    note = results.note(best.name, values, train.records, validate.records, info.model_uri)
    changes = configuration.changes(tracked.client.get_run(tracked.id).data.params)
    if changes:
        note += f"\n\nChanged when it was resumed: {'; '.join(changes)}."
    tracked.client.set_tag(tracked.id, "mlflow.note.content", note)
    result = {
        "run_id": tracked.id,
        "model_uri": info.model_uri,
        **values,
        "examples": state.examples,
        "examples_per_second": round(rate, 1),
        **{name.removeprefix("model/"): value for name, value in keeper.learner.size().items()},
    }
    if cfg.register:
        version = versions.register(tracked.client, info.model_uri, cfg.register)
        result |= {"registered": cfg.register, "version": version}
    measured = f"measured on {validate.records:,} others"
    summary.show(
        f"{best.name}, trained on {train.records:,} videos, {measured}",
        {**result, **metrics.shown(values)},
        {
            "Look": f"mlflow ui --backend-store-uri {tracked.client.tracking_uri}",
            "Predict": f"python -m yt8m_exp.inference model_uri={info.model_uri}",
        },
    )
    return result

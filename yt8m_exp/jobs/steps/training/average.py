"""The average of a run's checkpoints, which becomes its best model if it scores better."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.jobs.steps.work import Work
from yt8m_exp.training.checkpoint_manager import CheckpointManager
from yt8m_exp.training.fit import TrainState
from yt8m_exp.training.recipes.averaging import Snapshots

logger = logging.getLogger(__name__)
Scores = Callable[[], dict[str, float | None]]


def snapshots(cfg: DictConfig, manager: CheckpointManager) -> Snapshots | None:
    """Returns what keeps the weights of evaluations, if a configuration averages them."""
    if not cfg.averaging.method:
        return None
    return Snapshots(manager.folder, **cfg.averaging, written=manager.written)


def finish(work: Work, state: TrainState, kept: Snapshots, score: Scores) -> None:
    """Averages the weights of evaluations; makes the average the best model if it is.

    Args:
        work: the training.
        state: its last state, updated if the average is the best.
        kept: the weights.
        score: returns the metrics of the weights as they are.
    """
    manager = work.manager

    def measure(weights: Any) -> Mapping[str, float | None]:
        with manager.learner.with_weights(weights):
            return score()

    found = kept.average(measure)
    if found is None:
        logger.info("No average of checkpoints is better than the best of them.")
        return
    gap = found.metrics["gap"]
    members = ", ".join(f"{examples:,}" for examples in found.members)
    logger.info("The average of the checkpoints at %s examples has GAP %s", members, gap)
    if gap is None:
        return
    work.report({"averaged/gap": gap}, state.examples)
    if gap > state.best_gap:
        state.best_gap, state.best_metrics = gap, dict(found.metrics)
        state.best_examples = state.examples
        with manager.learner.with_weights(found.weights):
            manager.save_best(as_it_is=True)

"""Trainings of several workers: all go on from one checkpoint, and one that is lost ends them."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from omegaconf import DictConfig

from yt8m_exp.spec import OutsideError
from yt8m_exp.tracking import downloads, store
from yt8m_exp.tracking.runs import Run
from yt8m_exp.training import agreement, cluster
from yt8m_exp.training.checkpoint_manager import CheckpointManager
from yt8m_exp.training.fit import TrainState

logger = logging.getLogger(__name__)

LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
)
"""What a collective operation raises when another worker is gone."""


def lead(tracked: Run, manager: CheckpointManager, state: TrainState, strategy: Any) -> None:
    """Tells the other workers from where they go on, and waits until each has the checkpoint.

    Raises:
        OutsideError: one of them cannot have it.
    """
    if cluster.place()[1] == 1:
        return
    if state.examples:
        downloads.require_there(tracked.client, tracked.id, manager.last)
    agreement.gathered(strategy, state.examples)
    _require_all(agreement.gathered(strategy, 1), state.examples)


def follow(cfg: DictConfig, manager: CheckpointManager, strategy: Any) -> TrainState:
    """Takes the checkpoint that the first worker goes on from: from its folder, or from MLflow.

    Returns:
        The state of training.

    Raises:
        OutsideError: this worker or another one cannot have it.
    """
    examples = agreement.gathered(strategy, 0)[0]
    state = TrainState()
    if examples:
        _fetch(cfg, manager, examples)
        state = manager.restore()
        if state.examples != examples:
            found = f"{state.examples:,}" if state.examples else "none"
            logger.warning("Checkpoint wanted at %s examples, found at %s.", f"{examples:,}", found)
    _require_all(agreement.gathered(strategy, int(state.examples == examples)), examples)
    return state


@contextmanager
def bound(run_id: str | None) -> Iterator[None]:
    """Says in a sentence that another worker was lost, in place of what its loss raises here."""
    try:
        yield
    except LOST as error:
        if cluster.place()[1] == 1:
            raise
        resume = f"resume={run_id}" if run_id else "resume=<run id>"
        raise OutsideError(
            "Another worker of this training was lost, and no worker can go on without it. Start "
            f"the same command on each host again, with {resume}. ({_first_line(error)})"
        ) from error


def _fetch(cfg: DictConfig, manager: CheckpointManager, examples: int) -> None:
    shared = Path(cfg.tracking.runs) / cfg.resume / downloads.FOLDER / manager.name_at(examples)
    manager.folder.mkdir(parents=True, exist_ok=True)
    if shared.exists():
        shutil.copy(shared, manager.folder)
    else:
        downloads.fetch_checkpoints(store.connect(), cfg.resume, manager.folder)


def _require_all(have: list[int], examples: int) -> None:
    if not all(have):
        raise OutsideError(
            f"Each worker must go on from the checkpoint at {examples:,} examples, but worker "
            f"{have.index(0)} cannot read it. Give all of them a shared folder (tracking.runs) or "
            "one tracking server with a store of artifacts that each of them reaches."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]

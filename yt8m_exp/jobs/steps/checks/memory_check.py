"""Refuses a training that does not fit the memory, before memory is gone."""

import logging
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import shards
from yt8m_exp.jobs.steps.training import additions
from yt8m_exp.spec import InputError
from yt8m_exp.training import cluster
from yt8m_exp.training.learner import Learner
from yt8m_exp.training.memory import estimate as memory
from yt8m_exp.training.memory.estimate import Estimate
from yt8m_exp.training.memory.free_memory import free_bytes
from yt8m_exp.training.step import Compiled

REFUSED, WARNED = 1.2, 0.8
"""Shares of the free memory: an estimate above one is refused, above the other there is a warning.
"""
SAMPLED = "model.sampling=random model.sampling.samples=30"
GB = 1e9
Estimated = Callable[[int], Estimate]
"""Estimates the memory of training by batch size."""
logger = logging.getLogger(__name__)


def require(
    cfg: DictConfig,
    learner: Learner,
    strategy: Any,
    update: Compiled,
    *,
    free: int | None = None,
) -> None:
    """Refuses a training that needs clearly more memory than is free; warns if it comes near.

    Args:
        cfg: the configuration.
        learner: its model and optimizer, whose own memory is not free any more.
        strategy: of the devices.
        update: its step, which is traced; see `fitting.update`.
        free: bytes; by default what this process may take, if that is known.

    Raises:
        InputError: the training does not fit.
    """
    if not cfg.memory_check:
        return
    free = free_bytes() if free is None else free
    if free is None:
        return
    estimated = estimator(cfg, learner, strategy, update)
    estimate = estimated(cfg.batch_size)
    if _missing(estimate) <= WARNED * free:
        return
    found = _evidence(cfg, estimate, free)
    if _missing(estimate) <= REFUSED * free:
        logger.warning("This training may run out of memory: it %s", found)
        return
    raise InputError(
        f"A training must fit the free memory, but this one {found} "
        f"{_remedy(cfg, estimated, free)} memory_check=false trains all the same."
    )


def estimator(cfg: DictConfig, learner: Learner, strategy: Any, update: Compiled) -> Estimated:
    """Returns a function that estimates the memory of a configuration's training by batch size."""
    group = min(cfg.data.shuffle_bytes, _shards_bytes(cfg))
    replicas = strategy.num_replicas_in_sync // cluster.place()[1]
    rated, means = cfg.data.level == "segment", not additions.needs_frames(cfg)

    def estimated(batch_size: int) -> Estimate:
        batch = memory.batch_of(learner.model, batch_size, frames(cfg), rated=rated, means=means)
        return memory.estimate(learner, update, batch, group_bytes=group, replicas=replicas)

    return estimated


def frames(cfg: DictConfig) -> int:
    """Returns the most frames of a video in a batch."""
    if cfg.data.level == "segment":
        return spec.SEGMENT_FRAMES
    return cfg.data.max_frames if cfg.data.level == "frame" else 1


def _missing(estimate: Estimate) -> int:
    """Returns the bytes that are still to come: weights and optimizer have theirs already."""
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    return estimate.step if on_gpu else estimate.step + estimate.reading


def _evidence(cfg: DictConfig, estimate: Estimate, free: int) -> str:
    videos = f" and {frames(cfg)} frames" if cfg.data.level != "video" else ""
    held = (estimate.weights + estimate.optimizer) / GB
    return (
        f"needs about {_missing(estimate) / GB:.1f} GB with batch_size={cfg.batch_size}{videos} "
        f"(a step {estimate.step / GB:.1f} GB, reading ahead {estimate.reading / GB:.1f} GB; "
        f"weights and optimizer have their {held:.1f} GB already), and {free / GB:.1f} GB are free."
    )


def _remedy(cfg: DictConfig, estimated: Estimated, free: int) -> str:
    fewer = ""
    if cfg.data.level == "frame":
        samples = cfg.model.sampling.get("samples")
        fewer = f"model.sampling.samples={max(samples // 2, 1)}" if samples else SAMPLED
        fewer = f", or show the model fewer frames ({fewer})"
    size = cfg.batch_size
    while size > 1:
        size //= 2
        if (needed := _missing(estimated(size))) <= WARNED * free:
            return f"Set batch_size={size} ({needed / GB:.1f} GB){fewer}."
    return f"Not even batch_size=1 fits: make the model smaller{fewer}."


def _shards_bytes(cfg: DictConfig) -> int:
    return sum(found.bytes for found in shards.find(compose.plain(cfg.data)["train"]))

"""Builds the parts of a training from its configuration."""

import inspect
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import tensorflow as tf
from omegaconf import DictConfig

from yt8m_exp.config import targets
from yt8m_exp.data import label_weights
from yt8m_exp.evaluation.scoring import Loss
from yt8m_exp.spec import InputError
from yt8m_exp.training import replicas
from yt8m_exp.training.fit import Plan
from yt8m_exp.training.learner import Learner
from yt8m_exp.training.recipes import learning_rates

logger = logging.getLogger(__name__)


def strategy(cfg: DictConfig) -> Any:
    """Prepares TensorFlow as a configuration says; returns the strategy of its devices."""
    strategy = replicas.strategy()
    if cfg.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(cfg.precision)
    keras.utils.set_random_seed(cfg.seed)
    return strategy


def learner(cfg: DictConfig, strategy: Any) -> Learner:
    """Builds the model and the optimizer of a configuration under a strategy."""
    step_examples = cfg.batch_size * strategy.num_replicas_in_sync
    average = {}
    if cfg.ema_half_life:
        average = {"use_ema": True, "ema_momentum": 0.5 ** (step_examples / cfg.ema_half_life)}
    with strategy.scope():
        model = targets.build(
            "model", cfg.model, features=dict(cfg.data.features), classes=cfg.data.classes
        )
        _require_level(model, cfg.data.level)
        _require_frames(cfg)
        optimizer = targets.build(
            "optimizer", cfg.optimizer, learning_rate=cfg.learning_rate, **average
        )
        if cfg.learning_rate_factors:
            learning_rates.scale(optimizer, model, dict(cfg.learning_rate_factors))
        optimizer.build(model.trainable_variables)
    logger.info(
        "%s: %s parameters, on %d %s",
        *(model.name, f"{model.count_params():,}", strategy.num_replicas_in_sync, _devices()),
    )
    return Learner(model, optimizer)


def loss(group: Mapping[Any, Any], classes: int) -> Loss:
    """Builds the loss of a group, with the weights of classes that its file holds."""
    path = group.get("label_weights")
    built = targets.build("loss", {k: v for k, v in group.items() if k != "label_weights"})
    return partial(built, label_weights=label_weights.read(path, classes)) if path else built


def plan(cfg: DictConfig, records: int, replicas: int) -> Plan:
    """Returns how long a run trains, and how often it evaluates, logs and saves."""
    batch_size = cfg.batch_size * replicas
    examples = max(round(cfg.epochs * records), 1)
    return Plan(
        examples=examples,
        batch_size=batch_size,
        evaluate_every=cfg.evaluate_every or records,
        log_every=cfg.log_every or max(batch_size, examples // 100),
        checkpoint_seconds=cfg.checkpoint_seconds,
        patience=cfg.patience,
    )


def schedule(cfg: DictConfig, plan: Plan) -> Any:
    """Returns the learning rate as a function of the examples seen."""
    schedule = targets.build("schedule", cfg.schedule, learning_rate=cfg.learning_rate)
    if "total_examples" in inspect.signature(schedule.func).parameters:
        return partial(schedule, total_examples=plan.examples)
    return schedule


def _require_level(model: Any, level: str) -> None:
    if ("frames" in model.input) != (level != "video"):
        takes = "frames" if "frames" in model.input else "video-level features"
        others = "lstm, dbof, frame_logistic ..." if level != "video" else "moe, logistic ..."
        raise InputError(
            f"The model must fit the data, but {model.name} takes {takes} and the data's level is "
            f"{level}. Set model={others} (the files of conf/model), or other data."
        )


def _require_frames(cfg: DictConfig) -> None:
    if cfg.data.level == "frame" and cfg.data.max_frames < cfg.model.sampling.max_frames:
        raise InputError(
            "`data.max_frames >= model.sampling.max_frames` must hold, as a model is served all "
            f"frames that it takes, but got data.max_frames={cfg.data.max_frames}, "
            f"model.sampling.max_frames={cfg.model.sampling.max_frames}. Set "
            "model.sampling.max_frames alone: the data's follows it."
        )


def _devices() -> str:
    return "GPU" if tf.config.list_physical_devices("GPU") else "CPU (TensorFlow sees no GPU)"

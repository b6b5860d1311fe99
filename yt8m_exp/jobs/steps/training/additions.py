"""What a configuration adds to the training of its model: augmentation, soft labels, teachers."""

import inspect
from functools import partial
from typing import Any

import keras
from omegaconf import DictConfig

from yt8m_exp.evaluation.scoring import Loss
from yt8m_exp.spec import InputError
from yt8m_exp.training.learner import Learner
from yt8m_exp.training.recipes import changes
from yt8m_exp.training.recipes.chance import Chance
from yt8m_exp.training.recipes.changes import Change
from yt8m_exp.training.recipes.distillation import distilled, merged
from yt8m_exp.training.recipes.fewer_frames import fewer_frames
from yt8m_exp.training.recipes.label_smoothing import smoothing
from yt8m_exp.training.recipes.mixup import mixup
from yt8m_exp.training.recipes.noise import noise
from yt8m_exp.training.recipes.online import online


def change(
    cfg: DictConfig,
    learner: Learner,
    *,
    taught: bool = True,
    teacher: keras.Model | None = None,
) -> Change:
    """Returns how a training changes its batches.

    Args:
        cfg: its configuration.
        learner: its model and optimizer.
        taught: whether batches have the predictions of the teachers, if there are any.
        teacher: predicts the changed batches; None: no teacher does.
    """
    asked, chance = cfg.augmentation, Chance(cfg.seed, learner.optimizer.iterations)
    found: list[Change] = []
    if asked.half_video or asked.frame_dropout:
        found.append(fewer_frames(asked.half_video, asked.frame_dropout, chance.of(1)))
    if asked.noise:
        found.append(noise(asked.noise, chance.of(3)))
    if softens(cfg):
        found.append(changes.shared)
    if cfg.label_smoothing:
        found.append(smoothing(cfg.label_smoothing))
    learn = [merged(cfg.distillation.mix)] if _merges(cfg) else []
    if taught and not cfg.distillation.online:
        found += learn
    if asked.mixup:
        found.append(mixup(asked.mixup, chance.of(4)))
    if teacher is not None:
        found += [online(teacher, cfg.distillation.top_k), *learn]
    return changes.all_of(found)


def _merges(cfg: DictConfig) -> bool:
    """Returns whether predictions of teachers are added to the labels."""
    return bool(cfg.distillation.teacher) and cfg.distillation.temperature == 1


def training_loss(cfg: DictConfig, loss: Loss) -> Loss:
    """Returns the loss that training lowers, which is not that of evaluations with a teacher."""
    asked = cfg.distillation
    if not asked.teacher or asked.temperature == 1:
        return loss
    return distilled(loss, asked.mix, asked.temperature)


def softens(cfg: DictConfig) -> bool:
    """Returns whether labels have shares."""
    return bool(cfg.label_smoothing or cfg.augmentation.mixup or cfg.distillation.teacher)


def needs_frames(cfg: DictConfig) -> bool:
    """Returns whether a training changes frames, so that their means cannot take their place."""
    asked, is_asked = cfg.augmentation, cfg.distillation.teacher and cfg.distillation.online
    return bool(asked.half_video or asked.frame_dropout or asked.noise or is_asked)


def require_fit(cfg: DictConfig, loss: Any) -> None:
    """Refuses additions that the data or the loss of a training does not allow.

    Raises:
        InputError: the first of them.
    """
    asked, level = cfg.augmentation, cfg.data.level
    if level == "video" and (asked.half_video or asked.frame_dropout):
        raise InputError(
            "augmentation.half_video and augmentation.frame_dropout need frames, but data.level is "
            "video. Leave them out, or set data=frame."
        )
    if level == "segment" and asked.mixup:
        raise InputError(
            "augmentation.mixup needs all labels, but of a segment only some classes are rated. "
            "Leave it out."
        )
    function = loss.func if isinstance(loss, partial) else loss
    if softens(cfg) and "shares" not in inspect.signature(function).parameters:
        raise InputError(
            "label_smoothing, augmentation.mixup and distillation need a loss that takes `shares`, "
            f"but {function.__name__} does not. Leave them out, or choose another loss."
        )

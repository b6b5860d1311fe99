"""The parts of a training, used from its first step to its last model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.data.manifest import Manifest
from yt8m_exp.training.checkpoint_manager import CheckpointManager
from yt8m_exp.training.step import Compiled

Report = Callable[[Mapping[str, float], int], None]
"""Takes metrics by name at examples seen."""
Reported = Callable[[Mapping[str, float], int], bool]
"""Takes them, too, and returns whether to continue."""


@dataclass(frozen=True)
class Work:
    """The parts of a training.

    Attributes:
        cfg: its configuration.
        train, validate: the shards to learn from, and to measure on.
        strategy: TensorFlow's distribution strategy.
        manager: holds the model and its checkpoints.
        update: its compiled step; see `fitting.update`.
        records: the records of `train` that the plan counts on; see `datasets.planned_records`.
        report: logs what is measured during training.
        reported: decides on it whether to continue.
    """

    cfg: DictConfig
    train: Manifest
    validate: Manifest
    strategy: Any
    manager: CheckpointManager
    update: Compiled
    records: int
    report: Report = lambda metrics, examples: None
    reported: Reported = lambda metrics, examples: True

    @cached_property
    def leaked(self) -> int:
        """How many videos to measure on are also trained on, of those read by now."""
        return self.validate.count_in(self.train)

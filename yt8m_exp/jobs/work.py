"""What a training works with, from its first step to its last model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.data.manifest import Manifest
from yt8m_exp.training.checkpoint_manager import CheckpointManager

Report = Callable[[Mapping[str, float], int], None]
"""Takes metrics by name at examples seen."""
Reported = Callable[[Mapping[str, float], int], bool]
"""Takes them, too, and answers whether to go on."""


@dataclass(frozen=True)
class Work:
    """What a training works with.

    Attributes:
        cfg: its configuration.
        train, validate: the shards to learn from, and to measure on.
        strategy: of the devices.
        manager: holds the model, and its checkpoints.
        records: of `train`, as many as the plan counts on; see `datasets.planned_records`.
        report: takes what is measured on the way.
        reported: decides on it.
    """

    cfg: DictConfig
    train: Manifest
    validate: Manifest
    strategy: Any
    manager: CheckpointManager
    records: int
    report: Report = lambda metrics, examples: None
    reported: Reported = lambda metrics, examples: True

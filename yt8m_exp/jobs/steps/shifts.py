"""Whether a configuration moves the frames of videos, and whether its model takes any."""

from omegaconf import DictConfig

from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.spec import InputError


def moves(cfg: DictConfig) -> bool:
    """Returns whether frames are moved."""
    return list(cfg.frame_shifts) != [0]


def require_fit(cfg: DictConfig, schema: Schema) -> None:
    """Refuses shifts of what is not whole videos with frames.

    Args:
        cfg: the configuration.
        schema: what the model takes.

    Raises:
        InputError: there are shifts, and the model takes no frames, or segments are asked for.
    """
    level = "segment" if cfg.segments else schema.level
    if moves(cfg) and level != "frame":
        raise InputError(
            f"frame_shifts move the frames of whole videos, but the level is {level}. "
            "Leave them out."
        )

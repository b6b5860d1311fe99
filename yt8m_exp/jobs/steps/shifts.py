"""What frame shifts need: frames, and whole videos of them."""

from omegaconf import DictConfig

from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.evaluation.frame_shifts import moves_any
from yt8m_exp.spec import InputError


def require_frames(cfg: DictConfig, schema: Schema) -> None:
    """Raises InputError where there are shifts, but what a model takes has no frames."""
    if moves_any(cfg.frame_shifts) and schema.level == "video":
        raise InputError(
            "frame_shifts move frames, but the model takes features of videos. Leave them out."
        )


def require_videos(cfg: DictConfig, schema: Schema) -> None:
    """Refuses shifts of what is not whole videos with frames.

    Raises:
        InputError: there are shifts, and segments are scored, which have no frames around them.
    """
    require_frames(cfg, schema)
    if moves_any(cfg.frame_shifts) and (cfg.segments or schema.level == "segment"):
        raise InputError(
            "frame_shifts move frames of whole videos, but rated segments are read alone. Leave "
            "them out; `inference segments=true` takes them."
        )

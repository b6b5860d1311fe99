"""Refuses teachers that cannot teach the model of a training."""

from omegaconf import DictConfig

from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.spec import InputError

LEARNT, OTHER = "data.train", "distillation.shards"


def require(cfg: DictConfig, uri: str, schema: Schema) -> None:
    """Refuses a teacher that has other classes, or features that it is not given.

    Args:
        cfg: the configuration of the training.
        uri: the teacher.
        schema: what a record must hold for it.

    Raises:
        InputError: the teacher cannot teach.
    """
    if schema.classes != cfg.data.classes:
        raise InputError(
            f"A teacher must know the classes of the data, but {uri} has {schema.classes} and "
            f"data.classes is {cfg.data.classes}."
        )
    if cfg.distillation.online:
        _require_features_of_data(cfg, uri, schema)
    elif key_of_shards(cfg, schema) == OTHER and not cfg.distillation.shards:
        raise InputError(
            f"{uri} takes features of level {schema.level}, but data.train has level "
            f"{cfg.data.level}. Set distillation.shards to shards with the same videos that it "
            "can read."
        )


def key_of_shards(cfg: DictConfig, schema: Schema) -> str:
    """Returns the key of the shards that a teacher predicts."""
    levels = {cfg.data.level, "frame" if cfg.data.level == "segment" else cfg.data.level}
    return LEARNT if schema.level in levels else OTHER


def _require_features_of_data(cfg: DictConfig, uri: str, schema: Schema) -> None:
    if missing := sorted(schema.features.keys() - set(cfg.data.features)):
        raise InputError(
            f"With distillation.online=true, a teacher must take features of the data, but {uri} "
            f"takes {missing[0]}. Set distillation.online=false, and distillation.shards."
        )

"""The shards that a configuration names, and what each of their records must hold."""

from dataclasses import fields, replace
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.data import shards
from yt8m_exp.data.manifest import Manifest, Remedy
from yt8m_exp.data.packed.packing import Packing
from yt8m_exp.data.packed.sets import PackedSet
from yt8m_exp.data.shards import Reading
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.stores.cache import Cache
from yt8m_exp.tracking import datasets
from yt8m_exp.training import cluster

CONTEXTS = ("train", "validate")


def schema(cfg: DictConfig) -> Schema:
    """Returns what each record of a configuration's data must hold."""
    data = compose.plain(cfg.data)
    names = {field.name for field in fields(Schema)}
    return Schema(**{key: value for key, value in data.items() if key in names})


def arguments(cfg: DictConfig, context: str) -> dict[str, Any]:
    """Returns the arguments that scan the shards of `data.train` or `data.validate`."""
    return {
        "patterns": compose.plain(cfg.data)[context],
        "schema": schema(cfg),
        "on_bad_record": cfg.data.on_bad_record,
        "reading": _reading_before_packing(cfg) if context == "train" else reading(cfg),
        "remedy": Remedy(f"data.{context}", "data.on_bad_record=skip"),
    }


def checked(
    cfg: DictConfig, schema: Schema, *, key: str = "shards", all_before: bool = False
) -> Manifest:
    """Checks the labelled shards that a key of another verb names; null stands for the sample.

    Args:
        cfg: the verb's configuration.
        schema: what each record must hold.
        key: the key of the patterns.
        all_before: whether all records are checked, not `data.check_bytes` alone.

    Raises:
        MissingInputError: a pattern matches nothing.
        InputError: a record is bad, or labels are missing.
    """
    found = reading(cfg)
    return datasets.checked(
        compose.select(compose.plain(cfg), key),
        schema,
        on_bad_record=cfg.on_bad_record,
        reading=replace(found, check_bytes=None) if all_before else found,
    )


def reading(cfg: DictConfig) -> Reading:
    """Returns how a configuration's shards are read.

    Of several workers each checks all shards before: they must know of the same records.
    """
    _, workers = cluster.place()
    check_bytes = cfg.data.check_bytes if workers == 1 else None
    return Reading(Cache(**compose.plain(cfg.data.cache)), check_bytes)


def _reading_before_packing(cfg: DictConfig) -> Reading:
    """Returns how shards are read that may be packed: that takes all of them before."""
    found = reading(cfg)
    return replace(found, check_bytes=None) if cfg.data.packed.precision else found


def packed(cfg: DictConfig, manifest: Manifest) -> PackedSet | None:
    """Returns the packed set of the shards to train on, if the configuration asks for one."""
    packing = compose.plain(cfg.data.packed)
    return Packing(**packing).open(manifest) if packing["precision"] else None


def scanned(cfg: DictConfig) -> tuple[Manifest, Manifest]:
    """Checks the shards to train on, and those to validate on."""
    train, validate = (shards.scan(**arguments(cfg, context)) for context in CONTEXTS)
    return train, validate

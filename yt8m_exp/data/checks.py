"""The check of a shard's records, made when it is first read and remembered in the user's cache.

What was found is kept under the file's path, size, times and number, or under its URI and
generation. Later runs know it from the start, and compare the checksum of what they read.
"""

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yt8m_exp import spec
from yt8m_exp.data.tfrecords import compression, facts
from yt8m_exp.data.tfrecords.facts import NOTHING, Facts
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.tfrecords.tfrecord import Problem
from yt8m_exp.spec import InputError
from yt8m_exp.stores import checksums
from yt8m_exp.stores.objects import Object
from yt8m_exp.stores.uris import is_local

CACHE_VERSION = 5
SUFFIXES = (".gz", ".zlib")


@dataclass
class Shard:
    """One file as it was when it was listed, and what was learnt of it when it was read.

    Attributes:
        object: the file.
        facts: what its records hold; None before it is read.
    """

    object: Object
    facts: Facts | None = None

    @property
    def path(self) -> str:
        """Where it lies."""
        return self.object.uri

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self.object.name

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.object.bytes

    @property
    def crc32c(self) -> str | None:
        """Its CRC-32C, 8 hexadecimal digits; None before it is read, if its store knows none."""
        return self.facts.crc32c if self.facts else self.object.crc32c

    @property
    def compression(self) -> str:
        """See `Facts`; empty before it is read."""
        return (self.facts or NOTHING).compression

    @property
    def loaded_bytes(self) -> int:
        """What it takes in memory; its size before it is read."""
        return self.facts.loaded_bytes if self.facts else self.bytes

    @property
    def ids(self) -> str:
        """See `Facts`; empty before it is read."""
        return (self.facts or NOTHING).ids

    @property
    def records(self) -> int:
        """How many rows it gives; 0 before it is read, as are the next three."""
        return (self.facts or NOTHING).records

    @property
    def labelled(self) -> int:
        """How many of those have the key `labels`."""
        return (self.facts or NOTHING).labelled

    @property
    def class_counts(self) -> Mapping[int, int]:
        """Videos of each class, by class id; only classes that occur."""
        return (self.facts or NOTHING).class_counts

    @property
    def bad(self) -> tuple[Problem, ...]:
        """What is wrong with the records left out."""
        return (self.facts or NOTHING).bad


def remembered(found: Object, schema: Schema) -> Facts | None:
    """Returns what was learnt of a file when it was read before, by any process of the user.

    Args:
        found: the file.
        schema: what each record was checked for.
    """
    try:
        return facts_of(json.loads(_entry(found, schema).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never seen, or an entry that cannot be read


def facts_of(row: Mapping[str, Any]) -> Facts:
    """Returns facts from their fields, which have been JSON."""
    counts = {int(label): count for label, count in row["class_counts"].items()}
    bad = tuple(Problem(*problem) for problem in row["bad"])
    return Facts(**{**row, "class_counts": counts, "bad": bad})


def seems_compressed(found: Object) -> bool:
    """Tells whether a file is compressed: by its first bytes, or by its name if it is distant."""
    if not is_local(found.uri):
        return found.name.endswith(SUFFIXES)
    with Path(found.uri).open("rb") as file:
        return bool(compression.of(file.read(compression.HEAD_BYTES)))


def learn(shard: Shard, buffer: np.ndarray, schema: Schema) -> None:
    """Checks every record of a shard, and remembers what they hold.

    Args:
        shard: the shard, whose facts are set.
        buffer: begins with its bytes, uint8, with `wire.PADDING` to spare behind them.
        schema: what each record must hold.
    """
    remember(shard, facts.check(shard.object, buffer, schema), schema)


def learn_all(
    shards: Sequence[Shard], starts: Sequence[int], buffer: np.ndarray, schema: Schema
) -> None:
    """Checks shards that lie in one buffer; small ones take far less time than one by one.

    Args:
        shards: the shards, whose facts are set.
        starts: where their bytes begin.
        buffer: the bytes, uint8, with `wire.PADDING` to spare behind the last.
        schema: what each record must hold.
    """
    objects = [shard.object for shard in shards]
    found = facts.check_whole(objects, starts, buffer, schema) if len(shards) > 1 else None
    for place, (shard, start) in enumerate(zip(shards, starts, strict=True)):
        if found:
            remember(shard, found[place], schema)
        else:
            learn(shard, buffer[start:], schema)


def remember(shard: Shard, learnt: Facts, schema: Schema, *, told: bool = False) -> None:
    """Notes what was learnt of a shard, for this process and for later ones of the user.

    Args:
        shard: the shard.
        learnt: what was learnt.
        schema: what each record was checked for.
        told: whether another process has learnt it; it may have noted that for both.
    """
    shard.facts = learnt
    entry = _entry(shard.object, schema)
    if not (told and entry.exists()):
        _keep(entry, json.dumps(vars(learnt)))


def require_same(shard: Shard, data: memoryview, schema: Schema) -> None:
    """Refuses a shard whose bytes are others than when it was checked, and forgets the check.

    Args:
        shard: the shard.
        data: what was read of it, decompressed; that of a compressed one is read again.
        schema: what each record was checked for.

    Raises:
        InputError: its checksum differs.
    """
    if shard.compression:
        if not is_local(shard.path):
            return  # it has been compared when it was downloaded
        data = memoryview(Path(shard.path).read_bytes())
    require_checksum(shard, checksums.crc32c(data), schema)


def require_checksum(shard: Shard, crc32c: str, schema: Schema) -> None:
    """Refuses a shard that has another checksum now; see `require_same`."""
    if crc32c != shard.crc32c:
        _entry(shard.object, schema).unlink(missing_ok=True)
        raise InputError(
            f"{shard.path} changed since it was checked: its checksum is another one, with the "
            "same size and time. Start again; if it is not meant to change, copy it anew."
        )


def _keep(entry: Path, text: str) -> None:
    part = entry.with_name(f"{entry.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        if not entry.parent.exists():
            entry.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text)
        part.replace(entry)
    except OSError:
        return  # a cache that cannot be written costs time, nothing else


def _entry(found: Object, schema: Schema) -> Path:
    place = os.path.realpath(found.uri) if is_local(found.uri) else found.uri
    key = json.dumps([
        CACHE_VERSION, place, found.bytes, found.generation,
        dict(schema.features), schema.classes, schema.level,
    ])  # fmt: skip
    name = hashlib.sha256(key.encode()).hexdigest()[:40]
    return spec.cache("shards") / f"{name}.json"

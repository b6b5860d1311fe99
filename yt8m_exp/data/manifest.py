"""The manifest: the shards of a data set, what their records hold, and the digest of it all."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from yt8m_exp.data import ids
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.means import Means
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.spec import InputError
from yt8m_exp.stores.cache import DEFAULT_CACHE, Cache
from yt8m_exp.stores.uris import is_local


@dataclass(frozen=True)
class Remedy:
    """What a verb's user sets, in the verb's own keys, where shards cannot be used.

    Args:
        shards: the key of the patterns.
        skip: the override that leaves bad records out.
    """

    shards: str = "shards"
    skip: str = "on_bad_record=skip"


DEFAULT_REMEDY = Remedy()
Contents = Mapping[tuple[int, str], str]
"""Names of shards by their size and CRC-32C."""


@dataclass(frozen=True)
class Manifest:
    """The shards of one data set, and what identifies them.

    Args:
        source: the patterns that found them.
        shards: the shards; those that nobody has read yet are checked when they are.
        schema: what each record must hold.
        means: what frames are averaged to as they are loaded; None leaves them as they are.
        cache: where distant shards are kept.
        skip_bad: whether bad records are left out; otherwise they are an error.
        needs_labels: whether a record without labels is an error.
        began_unread: whether some shards had not been read when they were found.
        remedy: what the user sets where a shard cannot be used.
    """

    source: tuple[str, ...]
    shards: tuple[Shard, ...]
    schema: Schema
    means: Means | None = None
    cache: Cache = field(default=DEFAULT_CACHE, kw_only=True)
    skip_bad: bool = field(default=False, kw_only=True)
    needs_labels: bool = field(default=False, kw_only=True)
    began_unread: bool = field(default=False, kw_only=True)
    remedy: Remedy = field(default=DEFAULT_REMEDY, kw_only=True)

    @property
    def is_read(self) -> bool:
        """Whether each shard has been read, so that all is known of it."""
        return all(shard.facts for shard in self.shards)

    @cached_property
    def is_local(self) -> bool:
        """Whether all shards lie on this machine."""
        return all(is_local(shard.path) for shard in self.shards)

    @property
    def records(self) -> int:
        """How many rows the usable records give: videos, or rated segments.

        An estimate from the bytes of those read, unless `is_read`.
        """
        known = sum(shard.records for shard in self.shards)
        read = sum(shard.bytes for shard in self.shards if shard.facts)
        unread = sum(shard.bytes for shard in self.shards) - read
        return known + round(unread * known / max(read, 1))

    @property
    def skipped(self) -> int:
        """How many records are left out because they are bad, as far as shards have been read."""
        return sum(len(shard.bad) for shard in self.shards)

    @cached_property
    def repeats(self) -> list[ids.Repeat]:
        """The rows whose id a row before them has, as far as shards have been read."""
        return ids.repeats([shard.ids for shard in self.shards])

    def count_in(self, other: "Manifest") -> int:
        """Returns how many rows have the id of a row of another data set, of those read."""
        return ids.count_known(*([shard.ids for shard in x.shards] for x in (self, other)))

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits of a SHA-256 over names, sizes and checksums; not over folders.

        A local shard has no checksum before it is read. Where one lacks, it is `digest_of_names`.
        """
        if not all(shard.crc32c for shard in self.shards):
            return self.digest_of_names
        return _digest(f"{shard.name} {shard.bytes} {shard.crc32c}" for shard in self.shards)

    @cached_property
    def digest_of_names(self) -> str:
        """`names-`, and 26 hexadecimal digits of a SHA-256 over names and sizes."""
        return f"names-{_digest(f'{shard.name} {shard.bytes}' for shard in self.shards)[:26]}"

    @property
    def is_exact(self) -> bool:
        """Whether the digest depends on every byte, and not on names and sizes only."""
        return self.digest != self.digest_of_names

    @property
    def contents(self) -> Contents:
        """Those of the shards whose checksum is known."""
        return contents(self.as_dict())

    def class_counts(self) -> np.ndarray:
        """Returns the videos of each class, int64 (C,)."""
        counts = np.zeros(self.schema.classes, np.int64)
        for shard in self.shards:
            for label, count in shard.class_counts.items():
                counts[label] += count
        return counts

    def require_labels(self) -> None:
        """Raises InputError where a record has no labels, as those of the test split."""
        for shard in self.shards:
            _require_labels(shard)

    def require_positives(self) -> None:
        """Raises InputError where no row has a label: no metric is defined on such shards."""
        if self.is_read and not self.class_counts().any():
            what = "rated segments" if self.schema.level == "segment" else "videos"
            raise InputError(
                f"At least one video must have a label, but none of the {self.records:,} {what} in "
                f"{', '.join(self.source)} has one, so there is nothing to score."
            )

    def require(self, shard: Shard) -> None:
        """Raises InputError where a shard that was read does not hold what it must."""
        if shard.bad and not self.skip_bad:
            first, more = shard.bad[0], len(shard.bad) - 1
            tail = f" ({more} more bad records in this shard.)" if more else ""
            skip = f"To leave such records out, set {self.remedy.skip}."
            raise InputError(f"{shard.path}, record {first.record}: {first.text} {skip}{tail}")
        if self.needs_labels:
            _require_labels(shard)

    def as_dict(self) -> dict:
        """Returns the manifest as plain data, for a JSON file."""
        rows = [
            {"name": s.name, "bytes": s.bytes, "crc32c": s.crc32c}
            | ({"records": s.records} if s.facts else {})
            | ({"generation": s.object.generation} if not is_local(s.path) else {})
            | ({"skipped": [problem._asdict() for problem in s.bad]} if s.bad else {})
            for s in self.shards
        ]
        return {
            "digest": self.digest,
            "source": list(self.source),
            "records": self.records,
            "is_read": self.is_read,
            "skipped": self.skipped,
            "repeated": len(self.repeats),
            "features": dict(self.schema.features),
            "classes": self.schema.classes,
            "level": self.schema.level,
            "shards": rows,
        }


def contents(listed: Mapping[str, Any]) -> Contents:
    """Returns the contents of a manifest as plain data, see `Manifest.as_dict`."""
    known = [shard for shard in listed["shards"] if shard.get("crc32c")]
    return {(shard["bytes"], shard["crc32c"]): shard["name"] for shard in known}


def _require_labels(shard: Shard) -> None:
    if shard.labelled < shard.records:
        missing = shard.records - shard.labelled
        raise InputError(
            f"{shard.path}: {missing} of {shard.records} records have no `labels`. "
            "Shards of the test split can be predicted, but not trained or scored on."
        )


def _digest(rows: Iterable[str]) -> str:
    return hashlib.sha256(os.fsencode("\n".join(sorted(rows)))).hexdigest()[:32]

"""The plan of a prediction by shard: the part of each shard, and which parts are there already."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from yt8m_exp.data.checks import Shard
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.serving.parts import folder as parts
from yt8m_exp.serving.parts.folder import Part
from yt8m_exp.serving.whole_file import absolute
from yt8m_exp.spec import InputError
from yt8m_exp.stores.objects import Object

KEY = 16
Entry = tuple[int, str, str, tuple[str, int, str, str | None]]
"""A shard as a worker is told of it: its place, the stem and the key of its part, its `Object`."""


@dataclass(frozen=True)
class Plan:
    """The parts that a prediction needs.

    Attributes:
        manifest: the shards.
        folder: where parts are, local or gs://.
        settings: all that decides on what is predicted of a shard, the model's digest included.
        model_digest: the SHA-256 of the model's file.
    """

    manifest: Manifest
    folder: str
    settings: Mapping[str, Any]
    model_digest: str

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """What a worker is told of each shard, in the order of the shards."""
        return self._entries(self.settings)

    @cached_property
    def _wanted(self) -> tuple[Entry, ...]:
        """All entries by which a part counts: also those of a work that bad records stop.

        What such a work has predicted is a shard without any.
        """
        strict = self._entries({**self.settings, "on_bad_record": "stop"})
        return (*strict, *self.entries)

    def found(self) -> dict[int, Part]:
        """Returns the parts that are there, by the place of their shard."""
        by_key = {part.key: part for part in parts.found(self.folder)}
        return {place: by_key[key] for place, _, key, _ in self._wanted if key in by_key}

    def require_own(self) -> None:
        """Refuses a folder that holds parts of another prediction: whoever reads it takes all.

        Raises:
            InputError: it does.
        """
        mine = {(stem, key) for _, stem, key, _ in self._wanted}
        for part in parts.found(self.folder):
            if (part.stem, part.key) not in mine:
                raise InputError(
                    f"The folder {self.folder} holds the predictions of other shards, another "
                    f"model, or other settings, as {part.name}. Name another folder, or remove it."
                )

    def _entries(self, settings: Mapping[str, Any]) -> tuple[Entry, ...]:
        about = json.dumps([self.model_digest, settings], sort_keys=True)
        same = hashlib.sha256(about.encode()).hexdigest()
        return tuple(_entry(same, *pair) for pair in enumerate(self.manifest.shards))


def _entry(same: str, place: int, shard: Shard) -> Entry:
    found = shard.object
    about = json.dumps([same, shard.name, shard.bytes, _content(found)])
    key = hashlib.sha256(about.encode()).hexdigest()[:KEY]
    stem = f"{place:05d}-{shard.name.split('.')[0]}"
    return place, stem, key, (absolute(found.uri), found.bytes, found.generation, found.crc32c)


def _content(found: Object) -> str:
    """Returns what a listing knows of an object's content: a checksum, or size and time."""
    return found.crc32c or "-".join(found.generation.split("-")[:2])


def folder_of(output: str) -> str:
    """Returns the folder of parts: the output itself if it is a folder, or one beside it."""
    return output.rstrip("/") if output.endswith("/") else f"{output}.parts"


def object_of(entry: Sequence[Any]) -> Object:
    """Returns the shard's file."""
    return Object(*entry[3])

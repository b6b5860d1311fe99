"""Where packed sets lie: each is made once a host, under a lock, and shared by all processes."""

import fcntl
import hashlib
import json
import logging
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from filelock import FileLock

from yt8m_exp import spec
from yt8m_exp.data import loading, shards
from yt8m_exp.data.ahead import in_order
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.packed import sets
from yt8m_exp.data.packed.sets import DamagedError, PackedSet
from yt8m_exp.data.packed.stored import Precision
from yt8m_exp.spec import InputError, UserError
from yt8m_exp.stores.cache import SPARE
from yt8m_exp.stores.read_ahead import read_ahead

logger = logging.getLogger(__name__)

VERSION = 1
PART = ".part"
NAME = re.compile(rf"[0-9a-f]{{32}}({re.escape(PART)})?")
"""Of a set, whole or not: nothing else in the folder is touched."""
ROW_BYTES = 100
"""What a video takes beside its features, about."""


@dataclass(frozen=True)
class Packing:
    """Where packed sets lie.

    Args:
        precision: of features that are floats; see `stored.store`.
        folder: their folder; None stands for one in the user's cache.
        bytes: the most that they take together.
    """

    precision: Precision
    folder: str | None = None
    bytes: int = 64 << 30

    def open(self, manifest: Manifest) -> PackedSet:
        """Opens the set of some shards; packs them before, unless they are here.

        Raises:
            InputError: a record is bad, they take more than `bytes`, or `precision` cannot hold a
                feature.
            UserError: the disk has no room.
        """
        shards.read(manifest)
        for shard in manifest.shards:
            manifest.require(shard)
        manifest = replace(manifest)  # with the digest of all bytes
        place = self.path / self._key(manifest)
        self.path.mkdir(parents=True, exist_ok=True)
        if found := _found(place):
            return found
        with FileLock(self.path / "lock"):
            if found := _found(place):
                return found
            shutil.rmtree(place, ignore_errors=True)  # a damaged one
            self._make_room(self._estimate(manifest))
            logger.info("Packing %d shards as %s", len(manifest.shards), self.precision)
            self._pack(manifest, place)
            return PackedSet(place)

    @property
    def path(self) -> Path:
        """The folder."""
        if self.folder:
            return Path(self.folder).expanduser()
        return spec.cache("packed")

    def _key(self, manifest: Manifest) -> str:
        schema = asdict(manifest.schema) | {"features": sorted(manifest.schema.features.items())}
        means = manifest.means and asdict(manifest.means)
        facts = [VERSION, manifest.digest, schema, means, self.precision]
        key = json.dumps(facts, default=np.ndarray.tolist)
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    def _estimate(self, manifest: Manifest) -> int:
        """Returns how many bytes a set takes, about."""
        if manifest.schema.level != "video" and not manifest.means:
            return loading.room(manifest.shards)
        values = sum(manifest.schema.features.values()) * np.dtype(self.precision).itemsize
        return manifest.records * (values + ROW_BYTES)

    def _make_room(self, wanted: int) -> None:
        """Removes what is not whole, and what was not used for longest, until so many bytes fit."""
        if wanted > self.bytes:
            raise InputError(
                f"The packed shards take about {wanted:,} bytes, but data.packed.bytes is "
                f"{self.bytes:,}. Raise it, or set data.packed.precision=null to read the shards "
                "themselves."
            )
        ours = [entry for entry in self.path.iterdir() if NAME.fullmatch(entry.name)]
        found = {folder: _size(folder) for folder in ours}
        room = self.bytes - sum(found.values())
        free = shutil.disk_usage(self.path).free - SPARE
        for folder in sorted(found, key=_last_used):
            if min(room, free) >= wanted and _last_used(folder):
                break
            if _removed(folder):
                room, free = room + found[folder], free + found[folder]
        if min(room, free) < wanted:
            raise UserError(
                f"The packed shards take about {wanted:,} bytes, but {self.path} has room for "
                f"{max(min(room, free), 0):,}. Free some, set data.packed.folder, or set "
                "data.packed.precision=null to read the shards themselves."
            )

    def _pack(self, manifest: Manifest, place: Path) -> None:
        part = place.with_name(place.name + PART)
        part.mkdir()
        try:
            sets.write(part, _pieces(manifest), self.precision)
            part.rename(place)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _pieces(manifest: Manifest) -> sets.Pieces:
    load = loading.Loader(manifest)
    filled = [shard for shard in manifest.shards if shard.records]
    fetched = read_ahead(filled, lambda shard: [shard.object], manifest.cache)
    tracked = shards.shown(fetched, "Packing shards", len(filled))
    return in_order(lambda shard: load([shard]), tracked)


def _found(place: Path) -> PackedSet | None:
    with suppress(FileNotFoundError, NotADirectoryError, DamagedError):
        return PackedSet(place)
    return None


def _size(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return sum(file.stat().st_size for file in folder.iterdir())
    return 0


def _last_used(folder: Path) -> float:
    """Returns when a set was last opened; 0 for what is no whole set."""
    index = folder / sets.INDEX
    return index.stat().st_mtime if folder.suffix != PART and index.exists() else 0


def _removed(folder: Path) -> bool:
    """Removes a set that no process has open; tells whether it did."""
    try:
        with (folder / sets.INDEX).open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / sets.INDEX).unlink()
    except FileNotFoundError:
        pass
    except BlockingIOError:
        return False
    shutil.rmtree(folder)
    return True

"""Objects of distant stores on the local disk, each downloaded once a host.

An object is kept under its URI and generation, so that what is kept never changes. All processes
of a host share the folder: they lock files in it with flock(2), which the kernel undoes when a
process dies. A file has its name only when it is whole and its checksum is right.
"""

import fcntl
import hashlib
import io
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from yt8m_exp import spec
from yt8m_exp.spec import InputError, UserError
from yt8m_exp.stores import transfers
from yt8m_exp.stores.objects import Object

PART = ".part"
ENTRY = re.compile(r"[0-9a-f]{32}\.(\d+)\.")
"""Begins the name of a file of the cache; it tells the size of the object."""
WAIT_SECONDS = 0.05
PIECE = 1 << 20
"""Bytes written at once: what came in small pieces is slow to read while the kernel keeps it."""
SPARE = 1 << 30
"""Bytes of the disk that the cache leaves to others."""


@dataclass(frozen=True)
class Cache:
    """Where objects of distant stores are kept.

    Args:
        folder: its folder; None stands for one in the user's cache.
        bytes: the most that it holds; 0 keeps nothing, so that objects go through memory.
    """

    folder: str | None = None
    bytes: int = 64 << 30

    @contextmanager
    def open(self, found: Object) -> Iterator[BinaryIO]:
        """Opens an object, downloaded before if it is not here; nobody removes it while it is open.

        Raises:
            UserError: the object does not arrive whole; see `transfers.download`.
        """
        if not self.bytes:
            memory = io.BytesIO()
            transfers.download(found, memory)
            memory.seek(0)
            yield memory
            return
        with self._held(found) as file:
            os.utime(file.fileno())
            yield file

    def has(self, found: Object) -> bool:
        """Tells whether an object is here now."""
        return self._entry(found).exists()

    def fetch(self, found: Object, stopped: threading.Event | None = None) -> None:
        """Downloads an object unless it is here, or another process does.

        Args:
            found: the object.
            stopped: ends the download when it is set.
        """
        stopped = stopped or threading.Event()
        entry = self._entry(found)
        while not entry.exists():
            if stopped.is_set():
                raise transfers.Stopped
            if file := self._begun(entry, found):
                with file:
                    transfers.download(found, file, stopped)
                    _part(entry).rename(entry)
            else:
                _wait_for_other(_part(entry))
                stopped.wait(WAIT_SECONDS)

    @property
    def path(self) -> Path:
        """The folder."""
        if self.folder:
            return Path(self.folder).expanduser()
        return spec.cache("objects")

    def _entry(self, found: Object) -> Path:
        key = hashlib.sha256(f"{found.uri} {found.generation} {found.crc32c}".encode())
        # The size stands in the name, so that a part counts as what it will be.
        return self.path / f"{key.hexdigest()[:32]}.{found.bytes}.{found.name[-80:]}"

    def _held(self, found: Object) -> BinaryIO:
        """Opens the file of an object, locked against its removal."""
        entry = self._entry(found)
        while True:
            try:
                file = entry.open("rb")
            except FileNotFoundError:
                self.fetch(found)
                continue
            fcntl.flock(file, fcntl.LOCK_SH)
            if os.fstat(file.fileno()).st_nlink:  # not removed in between
                return file
            file.close()

    def _begun(self, entry: Path, found: Object) -> BinaryIO | None:
        """Opens and locks the part of an object, with room made for it; None if that must wait."""
        if found.bytes > self.bytes:
            raise InputError(
                f"The cache must hold one shard at least, but {found.uri} has {found.bytes:,} "
                f"bytes and data.cache.bytes={self.bytes}. Raise it, or set 0 to keep nothing."
            )
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            part = _part(entry)
            if entry.exists() or not self._make_room(found.bytes, part):
                return None
            there = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
            file = os.fdopen(there, "r+b", buffering=PIECE)
            if _locked(file) and not entry.exists():
                return file
            file.close()
            if entry.exists():  # the download of another process ended meanwhile
                part.unlink(missing_ok=True)
            return None

    def _make_room(self, wanted: int, part: Path) -> bool:
        """Removes what was not used for longest until so many bytes fit; tells whether they do."""
        others = [entry for entry in os.scandir(self.path) if entry.name != part.name]
        sizes = {e.path: int(found[1]) for e in others if (found := ENTRY.match(e.name))}
        there = _size(part)
        free = shutil.disk_usage(self.path).free + there - SPARE
        room = min(self.bytes - sum(sizes.values()), free)
        busy = False
        for path in sorted(map(Path, sizes), key=_modified) if room < wanted else []:
            if _removed(path):
                room += sizes[str(path)]
            else:
                busy = True
            if room >= wanted:
                break
        if room < wanted and not busy:
            raise UserError(
                f"The disk of {self.path} has no room for a shard of {wanted:,} bytes. Set "
                "data.cache.folder, or data.cache.bytes=0 to keep nothing."
            )
        return room >= wanted


def _part(entry: Path) -> Path:
    return entry.with_name(entry.name + PART)


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:  # not begun, or renamed since
        return 0


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # renamed since
        return time.time()


def _removed(path: Path) -> bool:
    """Removes a file that nobody reads or writes; tells whether it did."""
    try:
        with path.open("r+b") as file:  # NFS locks no file that cannot be written to
            if _locked(file):
                path.unlink()
                return True
    except FileNotFoundError:
        pass
    return False


def _locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_other(part: Path) -> None:
    with suppress(FileNotFoundError), part.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)


DEFAULT_CACHE = Cache()

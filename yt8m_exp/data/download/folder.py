"""A folder that a download goes to: a file has its name there once it is whole and checked."""

import csv
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from yt8m_exp.data.download import partitions
from yt8m_exp.data.download.partitions import File
from yt8m_exp.spec import InputError, UserError

State = Literal["there", "missing", "other"]


class Folder:
    """A local folder.

    A part grows under a hidden name beside the files. Which files were checked is noted in a hidden
    file, so that the next call does not read them again.

    Args:
        path: the folder; `open` makes it.
        partition: what goes there.
    """

    def __init__(self, path: Path, partition: str):
        self.path = path
        self._plan = path / partitions.plan_name(partition)
        name = f".{partition.replace('/', '_')}"
        self._lock = FileLock(path / f"{name}.lock")
        self._notes = path / f"{name}_checked.csv"
        self._partition = partition
        self._checked: dict[str, tuple[str, int, int]] = {}

    def __str__(self) -> str:
        return str(self.path)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Makes the folder, and keeps other downloads of the partition out of it.

        Raises:
            UserError: another download is at work.
            InputError: there can be no such folder.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be a folder of downloads: {error.strerror}. Set output to "
                "another."
            ) from None
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise InputError(f"{self.path} cannot be written to. Set output to another folder.")
        try:
            with self._lock.acquire(blocking=False):
                self._checked = dict(self._read_notes())
                yield
        except Timeout:
            raise UserError(
                f"Another download of {self._partition} into {self.path} is at work. Wait for its "
                "end, or name another output."
            ) from None

    def old_plan(self) -> dict[str, str] | None:
        """Returns what the dataset's own script has left to download here; None without its plan.

        The script takes a file off its plan once the file is there and checked.
        """
        if not self._plan.exists():
            return None
        try:
            return partitions.read_plan(self._plan.read_bytes())
        except UserError as error:
            raise InputError(f"{self._plan}: {error} Remove it to take the server's.") from None

    def states(self, files: Sequence[File]) -> Iterator[tuple[File, State]]:
        """Yields whether each file is there, reading those that were not checked before."""
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            yield from zip(files, pool.map(self._state, files), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)

    def part(self, file: File) -> Path:
        """Returns where a file grows; the name changes with its checksum."""
        return self.path / f".{file.name}.{file.md5 or 'unchecked'}.part"

    def part_bytes(self, file: File) -> int:
        """Returns how much of a file has grown."""
        part = self.part(file)
        return part.stat().st_size if part.exists() else 0

    def bytes_of(self, file: File) -> int:
        """Returns the bytes of a file that is there."""
        return (self.path / file.name).stat().st_size

    def take_back(self, file: File) -> None:
        """Makes what lies under a file's name the part to go on from."""
        (self.path / file.name).replace(self.part(file))

    def keep(self, file: File) -> None:
        """Gives a part that was checked its name."""
        part, path = self.part(file), self.path / file.name
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
        self._note(file, path)

    def free_bytes(self) -> int | None:
        """Returns how much fits, None where there is no bound."""
        return shutil.disk_usage(self.path).free

    def _state(self, file: File) -> State:
        path = self.path / file.name
        if not path.exists():
            return "missing"
        if file.md5 is None or self._checked.get(file.name) == (file.md5, *_stamp(path)):
            return "there"
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False))
        if digest.hexdigest() != file.md5:
            return "other"
        self._note(file, path)
        return "there"

    def _note(self, file: File, path: Path) -> None:
        row = (file.name, file.md5 or "", *map(str, _stamp(path)))
        with self._notes.open("a", encoding="utf-8") as notes:
            notes.write(",".join(row) + "\n")  # one write: threads and kills leave whole lines

    def _read_notes(self) -> Iterator[tuple[str, tuple[str, int, int]]]:
        if self._notes.exists():
            with self._notes.open(newline="", encoding="utf-8") as notes:
                for row in csv.reader(notes):
                    if len(row) == 4 and row[2].isdecimal() and row[3].isdecimal():
                        yield row[0], (row[1], int(row[2]), int(row[3]))


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns

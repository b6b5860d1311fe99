"""The local disk as a store."""

import glob
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from yt8m_exp.stores.objects import FOLDER, Changed, Object, Sink

CHUNK = 1 << 20


class LocalDisk:
    """Files of this machine."""

    def list(self, patterns: Sequence[str], names: Sequence[str] = FOLDER) -> list[list[Object]]:
        return [_matches(pattern, names) for pattern in patterns]

    def stat(self, uri: str) -> Object | None:
        path = Path(uri)
        return _object(path) if path.is_file() else None

    def read(self, found: Object, sink: Sink, *, start: int = 0) -> None:
        with Path(found.uri).open("rb") as file:
            if not is_same(os.fstat(file.fileno()), found.generation):
                raise Changed(f"{found.uri} changed while it was in use. Start again.")
            file.seek(start)
            while data := file.read(CHUNK):
                sink(data)

    def write(self, file: Path, uri: str, *, replaces: Object | None) -> Object:
        path = Path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            shutil.copyfile(file, part)
            if replaces is None:
                os.link(part, path)
            elif self.stat(uri) == replaces:
                part.replace(path)
            else:
                raise Changed(f"{uri} was changed by someone else in the meantime.")
        except FileExistsError:
            raise Changed(f"{uri} was written by someone else in the meantime.") from None
        finally:
            part.unlink(missing_ok=True)
        return _object(path)

    def remove(self, uri: str) -> None:
        Path(uri).unlink(missing_ok=True)


def _matches(pattern: str, names: Sequence[str]) -> list[Object]:
    globs = [_escaped(pattern)]
    if Path(pattern).is_dir():
        globs = [os.path.join(globs[0], name) for name in names]  # noqa: PTH118 (a glob)
    matches = {match for one in globs for match in _found(one)}
    return [_object(path) for path in map(Path, sorted(matches)) if path.is_file()]


def _found(pattern: str) -> list[str]:
    """Returns what a glob matches; below `**`, each folder is entered once, whatever leads to it.

    The library follows a link to a folder above it forty times, and several such links for ever.
    """
    if pattern.endswith(f"{os.sep}**"):
        pattern += f"{os.sep}*"
    before, deep, after = pattern.partition(f"{os.sep}**{os.sep}")
    if not deep:
        return glob.glob(pattern)  # noqa: PTH207 (absolute patterns)
    entered: set[tuple[int, int]] = set()
    roots = sorted(glob.glob(before or os.sep))  # noqa: PTH207 (absolute patterns)
    folders = [folder for root in roots for folder in _folders(root, entered)]
    below = [f"{glob.escape(folder)}{os.sep}{after}" for folder in folders]
    return [path for deeper in below for path in _found(deeper)]


def _folders(root: str, entered: set[tuple[int, int]]) -> Iterator[str]:
    """Yields a folder and those below it, hidden ones left out, but none that was entered."""
    for folder, names, _ in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in entered:
            names.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        names[:] = sorted(name for name in names if name[0] != ".")
        yield folder


def _escaped(pattern: str) -> str:
    """Escapes the folders that a pattern begins with, and its file, where they exist as such."""
    literal, rest = Path(), list(Path(pattern).parts)
    while rest and (literal / rest[0]).exists():
        literal /= rest.pop(0)
    return os.path.join(glob.escape(str(literal)), *rest)  # noqa: PTH118 (a glob)


def _object(path: Path) -> Object:
    status = path.stat()
    return Object(str(path), status.st_size, generation(status))


def generation(status: os.stat_result) -> str:
    """Returns what names the content of a file, as far as a disk knows."""
    times = f"{status.st_size}-{status.st_mtime_ns}"
    return f"{times}-{status.st_ino}-{status.st_ctime_ns}"


def is_same(status: os.stat_result, generation: str) -> bool:
    """Tells whether a file may be the one of a generation, by its size and time.

    The number of a file may change while it is open on some network file systems, and a new link to
    it, or other rights, change its time of status.
    """
    return generation.split("-")[:2] == [str(status.st_size), str(status.st_mtime_ns)]

"""A folder of parts, local or gs://: the predictions of a shard are there whole, or not at all.

The name of a part holds the shard's place and name, the key of what was predicted (see `Part`), the
videos that the shard holds, and a digest of the file: a listing tells what is done.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from yt8m_exp.spec import OutsideError
from yt8m_exp.stores.objects import Changed, Object
from yt8m_exp.stores.uris import is_local, store_of

DIGEST = 16
NAME = re.compile(
    r"(?P<stem>.+)-(?P<key>[0-9a-f]{16})-(?P<videos>\d+)-(?P<digest>[0-9a-f]{16})(?P<suffix>\.\w+)"
)
TEMPORARY = ".tmp"
LIST = "manifest.json"


@dataclass(frozen=True)
class Part:
    """The predictions of one shard.

    Attributes:
        object: the file.
        stem: the place and the name of the shard.
        key: a digest of the shard, the model, and all that decides on what is predicted.
        videos: rows that the shard holds, repeated ones counted.
        digest: begins the SHA-256 of the file, hexadecimal digits.
    """

    object: Object
    stem: str
    key: str
    videos: int
    digest: str

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.object.name

    def read(self) -> bytes:
        """Returns the file.

        Raises:
            OutsideError: it is not what was written; it has been removed.
        """
        data: list[bytes] = []
        store_of(self.object.uri).read(self.object, data.append)
        whole = b"".join(data)
        if digest(whole) != self.digest:
            remove(self.object.uri)
            raise OutsideError(
                f"{self.object.uri} is damaged: it has another digest than when it was written. It "
                "has been removed; the same command makes it again."
            )
        return whole


def found(folder: str) -> list[Part]:
    """Returns the parts in a folder, in the order of their names; none if there is no folder."""
    pattern = f"{folder.rstrip('/')}/*-*-*-*.*"
    (listed,) = store_of(folder).list([pattern])
    return [part for one in listed if (part := _part(one)) and one.name[0] != "."]


def write(folder: str, stem: str, key: str, videos: int, data: bytes, suffix: str) -> Part:
    """Writes a part; who writes the same at the same time does no harm.

    Args:
        folder: where to.
        stem: the place and the name of the shard.
        key: see `Part`.
        videos: rows of the shard.
        data: what it holds.
        suffix: of its name.
    """
    name = f"{stem}-{key}-{videos}-{digest(data)}{suffix}"
    uri = f"{folder.rstrip('/')}/{name}"
    if is_local(folder):
        _write_local(Path(uri), data)
        written: Object | None = store_of(uri).stat(uri)
    else:
        written = _upload(uri, data)
    part = _part(written) if written else None
    if part is None:
        raise OutsideError(f"{uri} was removed as soon as it was written.")
    return part


def write_list(folder: str, listed: Mapping[str, Any]) -> None:
    """Writes the list of a folder's parts, `manifest.json`."""
    uri, data = f"{folder.rstrip('/')}/{LIST}", json.dumps(listed, indent=1).encode()
    if is_local(folder):
        os.sync()  # the parts: one by one that takes milliseconds each
        _write_local(Path(uri), data)
    else:
        _upload(uri, data, replaces=store_of(uri).stat(uri))


def digest(data: bytes) -> str:
    """Returns the digest in the name of a part that holds `data`."""
    return hashlib.sha256(data).hexdigest()[:DIGEST]


def remove(uri: str) -> None:
    """Removes a file, which may be gone already."""
    store_of(uri).remove(uri)


@contextmanager
def held(folder: str) -> Iterator[None]:
    """Makes a local folder, holds it, and clears what killed processes left half written.

    Raises:
        OutsideError: another process holds it.
    """
    if not is_local(folder):
        yield
        return
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / ".lock")
    try:
        with lock.acquire(timeout=0):
            for left in path.glob(f".*{TEMPORARY}"):
                left.unlink(missing_ok=True)
            yield
    except Timeout:
        raise OutsideError(
            f"Another process predicts into {folder}. Wait until it ends, or name another output."
        ) from None


def discard(folder: str) -> None:
    """Removes a folder with all its parts."""
    if is_local(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    for part in found(folder):
        remove(part.object.uri)


def _part(listed: Object) -> Part | None:
    match = NAME.fullmatch(listed.name)
    if match is None:
        return None
    return Part(listed, match["stem"], match["key"], int(match["videos"]), match["digest"])


def _write_local(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _upload(uri: str, data: bytes, replaces: Object | None = None) -> Object | None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with suppress(Changed):  # the same name has the same content
            return store_of(uri).write(Path(file.name), uri, replaces=replaces)
    return store_of(uri).stat(uri)

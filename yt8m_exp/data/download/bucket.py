"""A bucket that a download goes to: files grow on the local disk, and are checked there before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from yt8m_exp import spec
from yt8m_exp.data.download.client import TransferError
from yt8m_exp.data.download.folder import Folder, State
from yt8m_exp.data.download.partitions import File
from yt8m_exp.spec import InputError
from yt8m_exp.stores.objects import Changed, Interrupted, Object
from yt8m_exp.stores.uris import store_of


class Bucket:
    """A folder of a bucket; see `Folder` for what it can do.

    Its listing tells the MD5 of each object, so that none is read to be checked.

    Args:
        uri: gs://bucket/folder.
        partition: what goes there.
    """

    def __init__(self, uri: str, partition: str):
        self._uri = uri.rstrip("/")
        self._store = store_of(uri)
        place = self._uri.partition("://")[2].replace("/", "_")
        self._parts = Folder(spec.cache("downloads") / place, partition)
        self._objects: dict[str, Object] = {}

    def __str__(self) -> str:
        return self._uri

    @contextmanager
    def open(self) -> Iterator[None]:
        with self._parts.open():
            try:
                (found,) = self._store.list([f"{self._uri}/*"])
            except FileNotFoundError as error:
                raise InputError(str(error)) from None
            self._objects = {one.name: one for one in found}
            yield

    def old_plan(self) -> None:
        return None

    def states(self, files: Sequence[File]) -> Iterator[tuple[File, State]]:
        for file in files:
            found = self._objects.get(file.name)
            if found is None:
                yield file, "missing"
            else:
                yield file, "there" if file.md5 in (None, found.md5) else "other"

    def part(self, file: File) -> Path:
        return self._parts.part(file)

    def part_bytes(self, file: File) -> int:
        return self._parts.part_bytes(file)

    def bytes_of(self, file: File) -> int:
        return self._objects[file.name].bytes

    def take_back(self, file: File) -> None:
        """Does nothing: the object is replaced once the right one is here."""

    def keep(self, file: File) -> None:
        """Uploads a part that was checked; nothing that came there since the listing is replaced.

        Raises:
            TransferError: something did, or the upload was cut.
        """
        part, before = self.part(file), self._objects.get(file.name)
        try:
            found = self._store.write(part, f"{self._uri}/{file.name}", replaces=before)
        except (Changed, Interrupted) as error:
            raise TransferError(str(error)) from error
        self._objects[file.name] = found
        part.unlink()

    def free_bytes(self) -> None:
        return None

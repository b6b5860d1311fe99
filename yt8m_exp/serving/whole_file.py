"""A file, local or gs://, that appears under its name only when it is complete."""

import errno
import gzip
import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from yt8m_exp.spec import InputError, MissingInputError, OutsideError
from yt8m_exp.stores.uris import is_local, scheme, store_of

OTHER = (".zip", ".bz2", ".xz", ".zst")
"""Endings of compressed files that are not written."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a write, which do not name its file."""


class WholeFile:
    """A file to write bytes to; it has a temporary name in its folder until the block ends.

    A context manager. If the block fails, an existing file stays as it was, and no other is left. A
    file of a bucket is written on this machine and uploaded at the end, unless somebody else has
    written it since the block began.

    Args:
        path: The file to write or replace, or its gs:// URI; compressed if it ends in `.gz`.
        header: The columns of the first line; without any, there is no such line.

    Raises:
        MissingInputError: The folder or the bucket does not exist.
        InputError: The folder is a file or cannot be written to, or the path is not a regular file.
        Changed: Somebody else has written the file of a bucket.
        OutsideError: The disk is full, or the folder was removed meanwhile.
    """

    def __init__(self, path: str | Path, header: Sequence[str]):
        self.path, self.header = str(path), header
        require_writable(self.path)
        # A link stays a link.
        self._target = Path(path).resolve() if is_local(self.path) else None
        folder = self._target.parent if self._target else Path(tempfile.gettempdir())
        name = self.path.rpartition("/")[2]
        self._temporary = folder / f".{name}.{secrets.token_hex(4)}.part"

    def __enter__(self) -> BinaryIO | gzip.GzipFile:
        with ExitStack() as stack:
            self._before = None if self._target else store_of(self.path).stat(self.path)
            stack.callback(self._temporary.unlink, missing_ok=True)
            try:
                self._file = stack.enter_context(self._temporary.open("xb"))
            except FileNotFoundError as error:
                self._explain(error)
                raise
            self._written: BinaryIO | gzip.GzipFile = self._file
            if self.path.endswith(".gz"):  # no name and no time: equal runs write equal bytes
                self._written = gzip.GzipFile("", "wb", 1, self._file, mtime=0)  # 1 is fastest
                stack.callback(self._written.close)
            if self.header:
                self._written.write((",".join(self.header) + "\n").encode())
            self._cleanup = stack.pop_all()
        return self._written

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        try:
            with self._cleanup:
                if kind is not None:
                    return
                if self._written is not self._file:
                    self._written.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                if self._target:
                    self._temporary.replace(self._target)
                else:
                    store_of(self.path).write(self._temporary, self.path, replaces=self._before)
        except OSError as failure:
            error = failure
            raise
        finally:
            self._explain(error)

    def _explain(self, error: object) -> None:
        if isinstance(error, OSError) and error.errno in FULL and not error.filename:
            raise OutsideError(
                f"{self.path} cannot be written ({error.strerror}). Make room on its disk, or name "
                "another file."
            ) from error
        if self._target and isinstance(error, OSError) and not self._target.parent.exists():
            raise OutsideError(
                f"The folder of {self.path} was removed meanwhile. Create it again."
            ) from error


def absolute(path: str) -> str:
    """Returns a path as it holds in any folder; a URI is one."""
    return str(Path(path).absolute()) if is_local(path) else path


def require_writable(path: str) -> None:
    """Refuses a path at which no file can be written; see `WholeFile` for the errors."""
    if path.endswith(OTHER):
        raise InputError(f"A file is compressed as .gz only, but got {path!r}. Name it so.")
    if is_local(path):
        _require_writable(Path(path).resolve())
    elif scheme(path) != "gs":
        raise InputError(f"A file can be written to a local path or to gs://, but got {path!r}.")
    elif path.endswith("/"):
        raise InputError(f"{path} is a folder. Name a file in it, as {path}out.csv.gz.")
    else:
        store_of(path).list([path])  # there must be such a bucket


def _require_writable(path: Path) -> None:
    folder = path.parent
    if not folder.exists():
        raise MissingInputError(f"The folder {folder} of {path} does not exist. Create it first.")
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder, so {path} cannot be written.")
    if path.is_dir():
        raise InputError(f"{path} is a folder. Name a file in it, as {path}/out.csv.gz.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a regular file. Name another file.")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise InputError(f"The folder {folder} cannot be written to. Name another for {path}.")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}). Name another.") from None

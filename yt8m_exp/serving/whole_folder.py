"""A folder, local or gs://, that is empty before something is written, and whole after."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yt8m_exp.spec import InputError
from yt8m_exp.stores.uris import is_local, store_of

UNFINISHED = ".yt8m-export-"
"""Begins the name of a folder inside the one to write to, of an export that is at work or died."""


def require_empty(folder: str) -> None:
    """Raises InputError where a folder, or the place of one, holds something."""
    if is_local(folder):
        path = Path(folder)
        inside = path.iterdir() if path.is_dir() else ()
        holds = path.is_file() or any(not one.name.startswith(UNFINISHED) for one in inside)
    else:
        whole = folder.rstrip("/")
        holds = any(map(bool, store_of(folder).list([whole, f"{whole}/**"])))
    if holds:
        raise _not_empty(folder)


@contextmanager
def written(folder: str, *, last: str) -> Iterator[str]:
    """Gives a folder of this machine; what the block writes there gets to its place at the end.

    Args:
        folder: the place, local or gs://.
        last: the file without which the others mean nothing: it gets there last.

    Raises:
        InputError: somebody else has written to the folder meanwhile.
    """
    beside = folder if is_local(folder) else None
    if beside:
        Path(beside).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside, prefix=UNFINISHED) as made:
        yield made
        if beside:
            _move(Path(made), Path(folder), last)
        else:
            _upload(Path(made), folder.rstrip("/"), last)


def _move(made: Path, folder: Path, last: str) -> None:
    try:
        for path in sorted(made.iterdir(), key=lambda path: (path.name == last, path.is_file())):
            path.rename(folder / path.name)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise _not_empty(str(folder)) from error


def _upload(made: Path, uri: str, last: str) -> None:
    files = [path for path in made.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.name == last):
        name = path.relative_to(made).as_posix()
        store_of(uri).write(path, f"{uri}/{name}", replaces=None)


def _not_empty(folder: str) -> InputError:
    return InputError(f"A model is written into an empty folder, but {folder} is not empty.")

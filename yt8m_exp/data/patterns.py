"""Patterns of files: globs, files and folders, each file found once however it is spelled."""

import logging
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

from yt8m_exp.spec import InputError, MissingInputError
from yt8m_exp.stores.objects import Object
from yt8m_exp.stores.uris import is_local, scheme, store_of

logger = logging.getLogger(__name__)


def find_objects(patterns: str | Sequence[str], *, names: Sequence[str] = ("*",)) -> list[Object]:
    """Finds the files that patterns match.

    What exists under the very words of a pattern is meant, also where they hold `[ ] * ?`.

    Args:
        patterns: a glob, a file, a folder, or a list of these; local, or in a bucket as
            gs://bucket/pattern; or the https:// URL of a file.
        names: globs of the files that a folder stands for.

    Returns:
        The files in the order of the patterns, then of their names, each once: a file that several
        patterns, spellings or links lead to has the first of its names.

    Raises:
        MissingInputError: a pattern matches nothing.
        UserError: a store cannot be reached.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(map(str, patterns))
    for pattern in patterns:
        if "\0" in pattern:
            raise InputError(f"A path has no null character, but got {pattern!r}.")
    matched: dict[str, list[Object]] = {}
    for kind in dict.fromkeys(map(scheme, patterns)):
        mine = [pattern for pattern in patterns if scheme(pattern) == kind]
        matched |= zip(mine, store_of(mine[0]).list(mine, names), strict=True)
    for pattern, found in matched.items():
        if not found:
            place = f" (from {Path.cwd()})" if is_local(pattern) else ""
            if is_local(pattern) and Path(pattern).is_dir():
                wanted = " or ".join(names)
                raise MissingInputError(f"No file in the folder {pattern!r} is named {wanted}.")
            raise MissingInputError(f"No file matches {pattern!r}{place}.")
    return _once(found for pattern in patterns for found in matched[pattern])


def find_files(patterns: str | Sequence[str], *, names: Sequence[str] = ("*",)) -> list[Path]:
    """Finds the files of this machine that patterns match; see `find_objects`."""
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        if not is_local(pattern):
            raise InputError(f"Files must lie in a local file system, but got {pattern!r}.")
    return [Path(found.uri) for found in find_objects(patterns, names=names)]


def _once(objects: Iterable[Object]) -> list[Object]:
    first: dict[Hashable, Object] = {}
    again: list[tuple[Object, Object]] = []
    for found in objects:
        place = _place(found.uri)
        if place in first:
            again.append((found, first[place]))
        first.setdefault(place, found)
    if again:
        more, taken = again[0]
        logger.warning(
            "%d files are matched again and taken once, as %s: %s", len(again), more.uri, taken.uri
        )
    return list(first.values())


def _place(uri: str) -> Hashable:
    """Returns what is equal for two names of a file: spellings, symbolic and hard links."""
    if not is_local(uri):
        return uri
    status = Path(uri).stat()
    return status.st_dev, status.st_ino

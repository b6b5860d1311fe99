"""Patterns of files: globs, files and folders, each file found once however it is spelled."""

import glob
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from yt8m_exp.spec import InputError, MissingInputError

logger = logging.getLogger(__name__)


def find_files(patterns: str | Sequence[str], *, names: Sequence[str] = ("*",)) -> list[Path]:
    """Finds the files that patterns match.

    What exists under the very words of a pattern is meant, also where they hold `[ ] * ?`.

    Args:
        patterns: a glob, a file, a folder, or a list of these.
        names: globs of the files that a folder stands for.

    Returns:
        The files in the order of the patterns, then of their names, each once: a file that several
        patterns, spellings or links lead to has the first of its names.

    Raises:
        MissingInputError: a pattern matches nothing.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    found: dict[Path, Path] = {}
    again: list[Path] = []
    for path in (path for pattern in patterns for path in _matches(str(pattern), names)):
        file = path.resolve()
        if file in found:
            again.append(path)
        found.setdefault(file, path)
    if again:
        first = found[again[0].resolve()]
        logger.warning(
            "%d files are matched again and taken once, as %s: %s", len(again), again[0], first
        )
    return list(found.values())


def _matches(pattern: str, names: Sequence[str]) -> list[Path]:
    if "\0" in pattern:
        raise InputError(f"A path has no null character, but got {pattern!r}.")
    if "://" in pattern:
        raise InputError(f"Files must lie in a local file system, but got {pattern!r}.")
    globs = [_escaped(pattern)]
    if Path(pattern).is_dir():
        globs = [os.path.join(globs[0], name) for name in names]  # noqa: PTH118 (a glob)
    matches = {match for one in globs for match in glob.glob(one, recursive=True)}  # noqa: PTH207 (absolute patterns)
    files = [path for path in map(Path, sorted(matches)) if path.is_file()]
    if not files:
        raise MissingInputError(f"No file matches {pattern!r} (from {Path.cwd()}).")
    return files


def _escaped(pattern: str) -> str:
    """Escapes the folders that a pattern begins with, and its file, where they exist as such."""
    literal, rest = Path(), list(Path(pattern).parts)
    while rest and (literal / rest[0]).exists():
        literal /= rest.pop(0)
    return os.path.join(glob.escape(str(literal)), *rest)  # noqa: PTH118 (a glob)

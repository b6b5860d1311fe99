"""Glob patterns for the names of objects; they match what they would match on a local disk."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

WILDCARDS = re.compile(r"[*?\[]")


def literal(pattern: str) -> str:
    """Returns what stands before the first wildcard."""
    return WILDCARDS.split(pattern, maxsplit=1)[0]


def matches(name: str, pattern: str) -> bool:
    """Tells whether a glob matches a name: `*` and `?` match no `/`, `**` matches folders."""
    return _match(name.split("/"), pattern.split("/"))


def _match(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not parts
    first, rest = patterns[0], patterns[1:]
    if first == "**":
        return any(_match(parts[skipped:], rest) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], first) and _match(parts[1:], rest)

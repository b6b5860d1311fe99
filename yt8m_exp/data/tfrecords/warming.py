"""Compiled loops, got ready before a clock starts: a rate else measures the compiler."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A loop that Numba compiles, and arguments of the types that it is given."""


def warm(calls: Iterable[Call]) -> None:
    """Compiles loops, or loads them from Numba's cache; says so where they are not in it."""
    calls = list(calls)
    if any(_is_cold(loop) for loop, _ in calls if hasattr(loop, "stats")):  # else JIT is disabled
        logger.info("Compiling %d loops, once: later runs find them in Numba's cache.", len(calls))
    for loop, arguments in calls:
        loop(*arguments)


def _is_cold(loop: Any) -> bool:
    folder = loop.stats.cache_path
    return not (folder and any(Path(folder).glob(f"*.{loop.__name__}-*.nbi")))

"""A progress bar on a terminal, plain lines elsewhere; both on standard error."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from yt8m_exp.terminal import consoles, messages
from yt8m_exp.terminal.board import clock

LINE_SECONDS = 10.0
WIDE, MEDIUM = 120, 100
"""Widths of a terminal, in columns."""


class Advance(Protocol):
    """Reports progress: how much is done, and values to show beside it."""

    def __call__(self, done: int, **values: float | None) -> None: ...


@contextmanager
def shown(what: str, total: int | None, *, start: int = 0, unit: str = "ex") -> Iterator[Advance]:
    """Shows the progress of long work.

    Args:
        what: the work, in a word or two.
        total: where it ends; None if that is not known.
        start: where it begins.
        unit: what is counted.
    """
    console = consoles.on_stderr()
    began = time.monotonic()

    def text(done: int, values: dict[str, float | None]) -> str:
        rate = (done - start) / max(time.monotonic() - began, 1e-9)
        known = [f"{name} {value:.4g}" for name, value in values.items() if value is not None]
        return "  ".join([f"{rate:,.0f} {unit}/s", *known])

    if not console.is_terminal:
        yield from _lines(what, total, start, text, console)
        return
    bar = Progress(*_columns(console.width), console=console, transient=False)
    with bar as progress, messages.above():
        task = progress.add_task(what, total=total, completed=start, values="")

        def advance(done: int, **values: float | None) -> None:
            shown_done = done if total is None else min(done, total)
            progress.update(task, completed=shown_done, values=text(done, values))

        yield advance


def _columns(width: int) -> list[ProgressColumn]:
    """Returns the columns that fit a terminal: all where it is wide."""
    passed = [TextColumn("[dim]passed"), TimeElapsedColumn()]
    return [
        TextColumn("[bold]{task.description}"),
        *([BarColumn(20), TaskProgressColumn()] if width >= WIDE else []),
        MofNCompleteColumn(),
        TextColumn("{task.fields[values]}"),
        *(passed if width >= MEDIUM else []),
        TextColumn("[dim]left"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=False),
    ]


def _lines(what: str, total: int | None, start: int, text, console: Console) -> Iterator[Advance]:
    """Prints a line every few seconds, and the last one at the end."""
    began = printed = time.monotonic()
    last: tuple[int, dict[str, float | None]] | None = None  # not printed yet

    def advance(done: int, **values: float | None) -> None:
        nonlocal printed, last
        last = done if total is None else min(done, total), values
        if time.monotonic() - printed >= LINE_SECONDS:
            printed = time.monotonic()
            print_last()

    def print_last() -> None:
        nonlocal last
        if last is None:
            return
        (done, values), last = last, None
        of = f" of {total:,}" if total is not None else ""
        left = _left(total, done, start, time.monotonic() - began)
        line = f"{what}: {done:,}{of}  {text(done, values)}{left}"
        console.print(line, highlight=False, soft_wrap=True)

    yield advance
    print_last()


def _left(total: int | None, done: int, start: int, seconds: float) -> str:
    """Returns the time left at the rate so far; nothing where it is not known or over."""
    if total is None or done >= total or done <= start:
        return ""
    return f"  left {clock(seconds * (total - done) / (done - start))}"

"""A live table of parallel work, on standard error, and only on a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

Show = Callable[[Sequence[Sequence[str]], Mapping[str, str]], None]


@contextmanager
def shown(title: str, columns: Sequence[str]) -> Iterator[Show]:
    """Shows a table while the block runs.

    Args:
        title: title above the table.
        columns: heads of the columns.

    Returns:
        A function that replaces the rows, and the line of named values below them.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda rows, below: None
        return
    with Live(console=console, refresh_per_second=2, redirect_stderr=True) as live:

        def show(rows: Sequence[Sequence[str]], below: Mapping[str, str]) -> None:
            table = Table(title=title, title_justify="left", title_style="bold")
            for number, name in enumerate(columns):
                table.add_column(name, style="cyan" if number == 0 else "", overflow="fold")
            for row in rows:
                table.add_row(*row)
            line = Text("  ".join(f"{name} {value}" for name, value in below.items()))
            live.update(Group(table, line))

        yield show


def clock(seconds: float) -> str:
    """Returns a duration as 0:42, 12:05 or 3:20:00; a dash if it is not known."""
    if not 0 <= seconds < 1e9:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

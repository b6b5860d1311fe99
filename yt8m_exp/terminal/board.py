"""A live table of parallel work, on standard error, and only on a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from yt8m_exp.terminal import consoles, messages

NO_BREAK = "\N{NO-BREAK SPACE}"
Show = Callable[[Sequence[Sequence[str]], Mapping[str, str]], None]


@contextmanager
def shown(title: str, columns: Sequence[str], *, wraps: str = "") -> Iterator[Show]:
    """Shows a table while the block runs; messages appear above it.

    Args:
        title: title above the table.
        columns: heads of the columns.
        wraps: the column whose cells may take several lines; the others stay whole.

    Returns:
        A function that replaces the rows, and the line of named values below them.
    """
    console = consoles.on_stderr()
    if not console.is_terminal:
        yield lambda rows, below: None
        return
    live = Live(console=console, refresh_per_second=2, vertical_overflow="crop")
    with live, messages.above():

        def show(rows: Sequence[Sequence[str]], below: Mapping[str, str]) -> None:
            table = [_table(columns, rows, wraps)] if rows else []
            live.update(Group(Text(title, style="bold"), *table, _line(below)), refresh=True)

        yield show


def clock(seconds: float) -> str:
    """Returns a duration as 0:42, 12:05 or 3:20:00; a dash if it is not known."""
    if not 0 <= seconds < 1e9:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], wraps: str) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(
            name,
            style="cyan" if number == 0 else "",
            no_wrap=name != wraps,
            overflow="fold" if name == wraps else "ellipsis",
            ratio=1 if name == wraps else None,
        )
    for row in rows:
        table.add_row(*row)
    return table


def _line(below: Mapping[str, str]) -> Text:
    """Returns the named values as one line; a narrow terminal breaks it between two of them."""
    pairs = (f"{name} {value}".replace(" ", NO_BREAK) for name, value in below.items())
    return Text("  ".join(pairs))

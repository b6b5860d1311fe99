"""A table of several columns, printed once, on standard error."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from yt8m_exp.terminal import consoles


def show(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
) -> None:
    """Prints a table.

    Args:
        title: above it.
        columns: their heads.
        rows: the cells.
        numbers: the columns that hold numbers.
    """
    console = consoles.on_stderr()
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, name in enumerate(columns):
        table.add_column(
            name,
            style="cyan" if place == 0 else "",
            justify="right" if place in numbers else "left",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    console.print()
    console.print(table)

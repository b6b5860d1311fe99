"""The table that closes a verb's output, and where to look next."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table


def show(title: str, rows: Mapping[str, object], hints: Mapping[str, str]) -> None:
    """Prints a table of results and what to do with them, on standard error.

    Args:
        title: above the table.
        rows: values by name; floats are shown with 4 significant digits, alone and in lists.
        hints: commands by what they are for.
    """
    console = Console(stderr=True)
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, _text(value))
    console.print()
    console.print(table)
    for purpose, command in hints.items():
        console.print(f"[dim]{purpose}:[/dim] {command}", highlight=False, soft_wrap=True)


def _text(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:#.4g}"
    whole = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:,}" if whole else str(value)

"""The end of a verb: its table on the terminal, commands to run next, and its JSON line."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from yt8m_exp.terminal import consoles


@dataclass(frozen=True)
class Summary:
    """The end of a verb.

    Attributes:
        title: stands above the table.
        result: what a script needs next, by name.
        rows: the rows of the table, if they differ from the result.
        hints: commands to run next, by their purpose.
        status: the exit status.
    """

    title: str
    result: Mapping[str, Any]
    rows: Mapping[str, Any] | None = None
    hints: Mapping[str, str] = field(default_factory=dict)
    status: int = 0

    def show(self) -> None:
        """Prints the table on standard error; floats have 4 significant digits."""
        console = consoles.on_stderr()
        table = Table(title=self.title, title_justify="left", title_style="bold", show_header=False)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in (self.result if self.rows is None else self.rows).items():
            table.add_row(name, _text(value))
        console.print()
        console.print(table)
        for purpose, command in self.hints.items():
            console.print(f"[dim]{purpose}:[/dim] {command}", highlight=False, soft_wrap=True)

    def json(self) -> str:
        """Returns the result as one line of JSON; NaN and infinity become null."""
        return json.dumps(_finite(self.result), allow_nan=False)


def _text(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:#.4g}"
    whole = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:,}" if whole else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

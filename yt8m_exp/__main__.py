"""Lists the verbs: python -m yt8m_exp."""

import ast
from pathlib import Path

from rich.console import Console
from rich.table import Table

DOOR = "cli.run("


def verbs() -> dict[str, str]:
    """Returns the first line of each door's docstring by the name of its verb."""
    doors = sorted(Path(__file__).parent.glob("[a-z]*.py"))
    texts = {door.stem: door.read_text() for door in doors}
    lines = {
        name: ast.get_docstring(ast.parse(text)) for name, text in texts.items() if DOOR in text
    }
    return {name: (line or "").partition("\n")[0] for name, line in lines.items()}


if __name__ == "__main__":
    table = Table.grid(padding=(0, 2))
    for name, line in verbs().items():
        table.add_row(f"[cyan]{name}", line)
    console = Console()
    console.print(
        "python -m yt8m_exp.<verb> key=value ...   (--help lists its keys)\n", markup=False
    )
    console.print(table)

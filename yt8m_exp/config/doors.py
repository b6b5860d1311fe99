"""The verbs, each with the line that its door begins with."""

import ast
from functools import cache
from pathlib import Path

DOOR = "cli.run("


@cache
def verbs() -> dict[str, str]:
    """Returns the first line of each door's docstring by the name of its verb."""
    doors = sorted(Path(__file__).parents[1].glob("[a-z]*.py"))
    texts = {door.stem: door.read_text(encoding="utf-8") for door in doors}
    lines = {
        name: ast.get_docstring(ast.parse(text)) for name, text in texts.items() if DOOR in text
    }
    return {name: (line or "").partition("\n")[0] for name, line in lines.items()}

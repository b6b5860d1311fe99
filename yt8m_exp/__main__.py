"""Lists the verbs: python -m yt8m_exp."""

import ast
from pathlib import Path

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
    print("python -m yt8m_exp.<verb> key=value ...   (--help lists the keys of a verb)\n")
    for name, line in verbs().items():
        print(f"  {name:18} {line}")

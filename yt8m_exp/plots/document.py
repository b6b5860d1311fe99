"""The parts of an HTML page that needs no other file: its style, tables and images."""

import base64
import html
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

STYLE = """
:root { color-scheme: light dark; --ink: #24292f; --grey: #6b7280; --faint: #dfe3e8;
  --back: #ffffff; --soft: #f4f6f8; --blue: #2563a8; --orange: #c2651b; --green: #2e7d4f;
  --red: #b8403a }
@media (prefers-color-scheme: dark) { :root { --ink: #e2e6ea; --grey: #9aa4af; --faint: #3a424b;
  --back: #16191d; --soft: #20252b; --blue: #6ea8e6; --orange: #e8954f; --green: #63b585;
  --red: #e5837d } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
body.wide { max-width: 80rem }
h2 { margin-top: 2.5rem }
a { color: var(--blue) }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .3rem .8rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--faint) }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
pre { background: var(--soft); padding: .7rem 1rem; white-space: pre-wrap; border-radius: 6px }
code { overflow-wrap: anywhere }
code.name { white-space: nowrap }
img, svg.figure { max-width: 100%; height: auto }
img { background: #ffffff; border-radius: 6px }
.no { color: var(--red); font-weight: 600 }
.yes { color: var(--green) }
small, .grey { color: var(--grey) }
"""


def page(title: str, parts: Iterable[str], *, wide: bool = False) -> str:
    """Returns a page of HTML around its parts, readable on light and dark."""
    head = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        f'<meta name=viewport content="width=device-width">'
        f"<style>{STYLE}</style><body{' class=wide' * wide}>"
    )
    return "\n".join([head, *parts])


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    plain: bool = True,
) -> str:
    """Returns a table.

    Args:
        head: titles of the columns; may be empty.
        rows: the cells, as HTML.
        numbers: the columns that hold numbers.
        plain: whether the titles are text, or else HTML.
    """

    def line(tag: str, cells: Iterable[str]) -> str:
        parts = (
            f"<{tag}{' class=number' * (place in numbers)}>{cell}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(parts)}</tr>"

    titles = [line("th", map(html.escape, head) if plain else head)] if head else []
    lines = [*titles, *(line("td", row) for row in rows)]
    return "\n".join(["<table>", *lines, "</table>"])


def good(text: str) -> str:
    """Returns a word that says that something is as it should be, or better."""
    return f"<span class=yes>{html.escape(text)}</span>"


def bad(text: str) -> str:
    """Returns a word that says that something is wrong."""
    return f"<span class=no>{html.escape(text)}</span>"


def image(title: str, png: bytes) -> str:
    """Returns an image with its heading."""
    data, name = base64.b64encode(png).decode(), html.escape(title)
    return f'<h2>{name}</h2><img alt="{name}" src="data:image/png;base64,{data}">'


def style(path: Path) -> str:
    """Returns the style of a file."""
    return f"<style>{path.read_text()}</style>"


def script(path: Path, data: Any) -> str:
    """Returns the script of a file, and the data that it reads from the element `data`.

    Args:
        path: the file.
        data: plain data; text in it is never read as HTML.
    """
    plain = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    held = f'<script type="application/json" id="data">{plain}</script>'
    return f"{held}\n<script>{path.read_text()}</script>"

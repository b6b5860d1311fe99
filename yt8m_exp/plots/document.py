"""The parts of an HTML page that needs no other file: its style, tables and images."""

import base64
import html
import io
from collections.abc import Iterable, Sequence

from matplotlib.figure import Figure

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #24292f; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem }
h2 { margin-top: 2.5rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .3rem .8rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid #dfe3e8 }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
img { max-width: 100% }
.no { color: #b8403a; font-weight: 600 }
.yes { color: #3a8f5c }
small { color: #6b7280 }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Returns a page of HTML around its parts."""
    head = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style>"
    )
    return "\n".join([head, *parts])


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()
) -> str:
    """Returns a table.

    Args:
        head: titles of the columns, as text; may be empty.
        rows: the cells, as HTML.
        numbers: the columns that hold numbers.
    """

    def line(tag: str, cells: Iterable[str]) -> str:
        parts = (
            f"<{tag}{' class=number' * (place in numbers)}>{cell}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(parts)}</tr>"

    titles = [line("th", map(html.escape, head))] if head else []
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


def png(figure: Figure) -> bytes:
    """Draws a figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()

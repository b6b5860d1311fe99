"""An HTML page of interactive figures, which needs no network."""

from collections.abc import Iterable
from html import escape

from plotly.graph_objects import Figure

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;
color:#24292f}}h2{{margin:2.5rem 0 0}}p{{color:#6b7280;margin:0}}</style></head>
<body><h1>{title}</h1>{sections}</body></html>"""


def render(title: str, sections: Iterable[tuple[str, str, Figure]]) -> str:
    """Returns the page; an empty text if there are no figures.

    Args:
        title: title of the page.
        sections: heading, caption and figure of each section.
    """
    parts = [
        f"<h2>{escape(heading)}</h2><p>{escape(caption)}</p>"
        + figure.to_html(full_html=False, include_plotlyjs=number == 0)
        for number, (heading, caption, figure) in enumerate(sections)
    ]
    return PAGE.format(title=escape(title), sections="".join(parts)) if parts else ""

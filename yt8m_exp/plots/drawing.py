"""Figures as images, and as parts of a page."""

import io

from matplotlib import rc_context
from matplotlib.figure import Figure

from yt8m_exp.plots.style import BACK, BLUE, FAINT, GREEN, GREY, INK, ORANGE, RED

COLORS = {
    INK: "ink",
    GREY: "grey",
    FAINT: "faint",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    RED: "red",
    BACK: "back",
}


def png(figure: Figure) -> bytes:
    """Draws a figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def svg(figure: Figure) -> str:
    """Draws a figure as part of the page, in the page's own colors and letters."""
    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "yt8m"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    drawn = file.getvalue()
    for color, name in COLORS.items():
        drawn = drawn.replace(color, f"var(--{name})")
    drawn = drawn.replace("'DejaVu Sans'", "system-ui")
    return drawn[drawn.index("<svg") :].replace("<svg", '<svg class="figure"', 1)

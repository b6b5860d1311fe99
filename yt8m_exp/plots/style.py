"""The look that all figures share: sizes, colors, axes, and how numbers are written."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullLocator

BLUE, ORANGE, GREEN, RED = "#2563a8", "#d9762b", "#3a8f5c", "#b8403a"
INK, GREY, FAINT = "#24292f", "#6b7280", "#dfe3e8"
BACK = "#fffffe"
"""White, but another color than the others' white: a page replaces it by its own background."""
PURPLE, TEAL, BROWN, PINK = "#7a5ab0", "#2a9d9a", "#8c6d46", "#c25b8f"
PALETTE = (BLUE, ORANGE, GREEN, RED, PURPLE, TEAL, BROWN, PINK)
"""The colors of curves, in this order."""
DOTS_PER_INCH = 150


def new_figure(*, width: float = 7.2, height: float = 4.3) -> Figure:
    """Returns an empty figure of this size in inches, outside pyplot's global state."""
    figure = Figure(
        figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white"
    )
    if engine := figure.get_layout_engine():
        engine.set(w_pad=0.1, h_pad=0.08)  # type: ignore[call-arg]  # for a constrained layout
    return figure


def style_axes(axes: Axes, *, title: str = "", result: str = "", x: str = "", y: str = "") -> Axes:
    """Gives axes their title (left), the one number they show (right), labels, and a faint grid."""
    # y=1: to find a place by itself, a title measures all ticks.
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, y=1, pad=10)
    axes.set_title(result, loc="right", fontsize=10, color=ORANGE, y=1, pad=10)
    axes.set_xlabel(x, color=GREY)
    axes.set_ylabel(y, color=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(which="both", color=FAINT, labelcolor=GREY)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def use_si_prefixes(axes: Axes) -> None:
    """Writes the numbers of the x axis as 200k or 1.5M."""
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def si_prefixed(value: float) -> str:
    """Returns a number as 200k or 1.53M, to three digits."""
    return EngFormatter(sep="")(float(f"{value:.3g}"))


def log_y(axes: Axes) -> None:
    """Makes the y axis logarithmic, with plain numbers at 1, 2 and 5."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def class_label(name: str, class_id: int, *, max_characters: int = 32) -> str:
    """Returns what a class is called in a figure: `name (id)`, or `class id` without a name."""
    if not name:
        return f"class {class_id}"
    shown = name if len(name) <= max_characters else name[: max_characters - 1] + "…"
    return f"{shown} ({class_id})"


def plain(text: str) -> str:
    """Returns text in which matplotlib sees no formulas."""
    return text.replace("$", r"\$")


def annotate(
    axes: Axes,
    text: str,
    at: tuple[float, float],
    *,
    offset: tuple[float, float] = (4, 0),
    color: str = GREY,
    size: float = 9,
    center: bool = False,
    back: bool = False,
) -> None:
    """Writes beside a point; an offset to the left, in points, aligns the text to the right.

    `center` centers it over the point, and `back` hides what is drawn behind it.
    """
    side = "center" if center else "right" if offset[0] < 0 else "left"
    axes.annotate(
        plain(text),
        at,
        offset,
        textcoords="offset points",
        color=color,
        fontsize=size,
        ha=side,
        va="center",
        annotation_clip=False,
        bbox={"facecolor": BACK, "edgecolor": "none", "alpha": 0.75, "pad": 1} if back else None,
        zorder=4 if back else None,
    )

"""The page on which people look at what one or two models got right and wrong."""

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation import mistakes
from yt8m_exp.evaluation.sample import Predicted
from yt8m_exp.plots import document

STYLE, SCRIPT = (Path(__file__).with_name(f"browser.{end}") for end in ("css", "js"))
MAX_BYTES = 4_800_000
"""Of a page: the videos are sampled above that."""
PADDING = 0xFFFF
BASE64 = 4 / 3
"""Characters of a byte."""
ROLES = {
    "any": "labelled or predicted",
    "missed": "missed",
    "wrong": "predicted, but wrong",
}
ORDERS = {"worst": "worst first", "best": "best first"}


class Model(NamedTuple):
    """A model with what it predicts of the same videos.

    Attributes:
        name: of the model.
        found: videos, the same and in the same order for each model.
    """

    name: str
    found: Predicted


def render(
    title: str,
    facts: Sequence[str],
    models: Sequence[Model],
    words: Vocabulary,
    columns: Mapping[str, ArrayLike],
    *,
    max_bytes: int = MAX_BYTES,
) -> str:
    """Returns a page of HTML that needs no other file.

    Args:
        title: of the page.
        facts: what the page begins with, as HTML: sentences or tables.
        models: one, or two to compare.
        words: names and verticals of the classes.
        columns: what is known of the classes, by title, (C,) each; NaN is not known.
        max_bytes: the most that the page may have; fewer videos are shown for that.
    """
    labelled = bool((models[0].found.labels >= 0).any())
    tabs = {"videos": "Videos", "classes": "Classes"}
    data: dict[str, Any] = {
        "labelled": labelled,
        "videos": models[0].found.videos,
        "verticals": sorted(set(words.verticals)),
        "classes": _classes(words, columns),
        "confusions": [],
    }
    drawn = ""
    if labelled and len(models) == 1:
        tabs["confusions"] = "Taken for another"
        data["confusions"] = _confusions(models[0].found)
    if labelled:
        tabs["slices"] = "Where GAP moves"
        drawn = _slices(models, len(words.names))
    parts = [
        document.style(STYLE),
        f"<h1>{escape(title)}</h1>",
        *facts,
        _frame(tabs, models, drawn),
    ]
    empty = document.page(title, [*parts, document.script(SCRIPT, data)], wide=True)
    data |= _videos(models, max_bytes - len(empty.encode()))
    return document.page(title, [*parts, document.script(SCRIPT, data)], wide=True)


def _frame(tabs: Mapping[str, str], models: Sequence[Model], drawn: str) -> str:
    orders = ORDERS
    if len(models) == 2:
        first, second = (model.name for model in models)
        orders = {"second": f"{second} better", "first": f"{first} better"}
    buttons = (f'<button value="{key}">{name}</button>' for key, name in tabs.items())
    sections = (f'<div id="{key}">{drawn if key == "slices" else ""}</div>' for key in tabs)
    return (
        f"<nav>{''.join(buttons)}</nav>"
        '<div id="bar"><input id="text" type="search" placeholder="class or id of a video">'
        '<select id="vertical"><option value="-1">all verticals</option></select>'
        f'<button id="picked"></button>{_choice("role", ROLES)}{_choice("order", orders)}'
        f'<span id="count"></span></div>{"".join(sections)}'
    )


def _choice(name: str, options: Mapping[str, str]) -> str:
    listed = (f'<option value="{key}">{escape(text)}</option>' for key, text in options.items())
    return f'<select id="{name}">{"".join(listed)}</select>'


def _classes(words: Vocabulary, columns: Mapping[str, ArrayLike]) -> dict[str, Any]:
    """Returns the classes of which something is known, and the names of all."""
    table = np.array([np.asarray(values, float) for values in columns.values()]).T
    known = np.flatnonzero(np.nan_to_num(table).any(axis=1))
    order = {name: place for place, name in enumerate(sorted(set(words.verticals)))}
    return {
        "names": words.names,
        "verticals": [order[name] for name in words.verticals],
        "columns": list(columns),
        "rows": [[int(row), *map(_number, table[row])] for row in known],
    }


def _number(value: float) -> float | int | None:
    if np.isnan(value):
        return None
    return int(value) if value == int(value) and value > 1 else round(float(value), 4)


def _confusions(found: Predicted) -> list[list[float]]:
    rows = zip(*mistakes.confusions(found, least=2), strict=True)
    return [[int(a), int(b), int(n), round(float(lift), 2)] for a, b, n, lift in rows]


def _slices(models: Sequence[Model], classes: int) -> str:
    """Draws where GAP moves, over the counts that are known."""
    # Here, because predictions without labels need no figure, and matplotlib takes half a second.
    from yt8m_exp.plots import drawing
    from yt8m_exp.plots.browser import slices

    labels = models[0].found.labels
    frequency = np.bincount(labels[labels >= 0], minlength=classes)
    measures: dict[tuple[str, str], Callable[[Predicted], Sequence[mistakes.Bin]]] = {
        ("labels of the video", "videos"): mistakes.by_labels,
        ("frames of the video", "videos"): mistakes.by_frames,
        ("videos that have the class", "classes"): partial(
            mistakes.by_frequency, frequency=frequency
        ),
    }
    panels = [
        slices.Panel(*words, {model.name: measure(model.found) for model in models})
        for words, measure in measures.items()
    ]
    return drawing.svg(slices.gap_by([panel for panel in panels if all(panel.models.values())]))


def _videos(models: Sequence[Model], room: int) -> dict[str, Any]:
    """Returns as many videos as there is room for, the first model's worst first."""
    found = models[0].found
    rows = np.arange(min(len(found.ids), _most(models, room)))  # still a sample
    rows = rows[mistakes.order(found.take(rows))]
    models = [Model(model.name, model.found.take(rows)) for model in models]
    found = models[0].found
    top_k = max(model.found.class_ids.shape[1] for model in models)
    return {
        "ids": [name.decode(errors="replace") for name in found.ids],
        "labels": _packed(found.labels[found.labels >= 0]),
        "label_counts": _packed((found.labels >= 0).sum(axis=1)),
        "frames": None if found.frames is None else found.frames.tolist(),
        "top_k": top_k,
        "models": [{"name": model.name, **_predictions(model.found, top_k)} for model in models],
    }


def _most(models: Sequence[Model], room: int) -> int:
    """Returns how many videos fit so many bytes."""
    found = models[0].found
    videos = max(len(found.ids), 1)
    numbers = len(models) * (2 * found.class_ids.shape[1] + 1)
    numbers += 1 + (found.labels >= 0).sum() / videos
    names = sum(map(len, found.ids)) / videos + len('"",')
    frames = len("300,") * (found.frames is not None)
    return max(int(room / (numbers * 2 * BASE64 + names + frames)), 0)


def _predictions(found: Predicted, top_k: int) -> dict[str, str]:
    padding = ((0, 0), (0, top_k - found.class_ids.shape[1]))
    class_ids = np.pad(found.class_ids, padding, constant_values=-1)
    return {
        "predicted": _packed(np.where(class_ids < 0, PADDING, class_ids)),
        "scores": _packed(np.pad(np.clip(found.scores, 0, 1), padding) * 65535),
        "ap": _packed(np.nan_to_num(mistakes.average_precision(found)) * 65534),
    }


def _packed(values: NDArray) -> str:
    return base64.b64encode(np.rint(values).astype("<u2").tobytes()).decode()

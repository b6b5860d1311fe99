"""The page of a study: its best recipe, its trials with their reasons, and its figures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from yt8m_exp.plots import document, drawing
from yt8m_exp.plots.studies import figures
from yt8m_exp.plots.studies.scales import is_number, word
from yt8m_exp.plots.studies.trials import Study, Trial

STYLE, SCRIPT = (Path(__file__).with_name(f"study.{end}") for end in ("css", "js"))
CAPTIONS = {
    "history": "What each trial reached; a pruned one, its last value.",
    "curves": "Crosses are trials that were stopped. Point at a trial of the table to see its own.",
    "pareto_front": "In orange: no other trial is better in all objectives.",
    "importances": "By PED-ANOVA, over the complete trials.",
    "parallel_coordinates": "Each line is a complete trial; the best is orange.",
}
WIDE = ("slices", "parallel_coordinates")
MOST_TRIALS = 2000


def render(study: Study, description: str, recipe: str, links: Mapping[str, str]) -> str:
    """Returns a page of HTML that needs no other file.

    Args:
        study: the study.
        description: what is varied, and why.
        recipe: the command that trains the best trial again; empty if there is none.
        links: commands or addresses to look further, by what they show.
    """
    parts = [document.style(STYLE), f"<h1>Study {escape(study.name)}</h1>"]
    parts += [f"<p>{escape(description)}</p>"] if description else []
    parts.append(f"<p>{escape(_verdict(study))}</p>")
    if recipe:
        parts += ["<h2>The best recipe</h2>", f"<pre>{escape(recipe)}</pre>"]
    parts += [f"<p>{escape(what)}: {_linked(link)}</p>" for what, link in links.items()]
    drawn = figures.draw(study)
    parts += ["<h2>Trials</h2>", _table(study)]
    parts += ["<div class=figures>", *map(_figure, drawn, drawn.values()), "</div>"]
    parts.append(document.script(SCRIPT, None))
    return document.page(f"Study {study.name}", parts, wide=True)


def _figure(name: str, figure: Figure) -> str:
    caption = f"<p class=grey>{CAPTIONS[name]}</p>" if name in CAPTIONS else ""
    wide = " class=whole" * (name in WIDE)
    return f"<div{wide}>{drawing.svg(figure)}{caption}</div>"


def _verdict(study: Study) -> str:
    counts = Counter(trial.state for trial in study.trials)
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    sought = ", ".join(f"{word} {metric}" for metric, word in study.objectives.items())
    if not study.complete:
        return f"To {sought}. Trials: {states}."
    best = study.complete[-1]
    return f"To {sought}. Trials: {states}. Best: {best.values[0]:.5g}, by trial {best.number}."


def _table(study: Study) -> str:
    metrics = list(study.objectives)
    heads = ["trial", "state", *metrics, *study.keys, "examples", "minutes", "reason"]
    numbers = {0, *range(2, 2 + len(metrics)), len(heads) - 3, len(heads) - 2}
    values = {key: [trial.params.get(key) for trial in study.trials] for key in study.keys}
    numbers |= {heads.index(key) for key in study.keys if any(map(is_number, values[key]))}
    titles = "".join(
        f"<th{' class=number' * (place in numbers)}><button>{_breakable(head)}</button></th>"
        for place, head in enumerate(heads)
    )
    rows = [_row(study, trial, numbers) for trial in _in_order(study)]
    return f"<div class=scroll><table id=trials><tr>{titles}</tr>{''.join(rows)}</table></div>"


def _breakable(head: str) -> str:
    """Returns a key that a browser may break after its dots, where columns are many."""
    return escape(head).replace(".", ".<wbr>")


def _in_order(study: Study) -> list[Trial]:
    """Returns the best trials first, then the others by number."""
    done = study.complete[::-1]
    others = [trial for trial in study.trials if trial.state != "complete"]
    return [*done, *others][:MOST_TRIALS]


def _row(study: Study, trial: Trial, numbers: set[int]) -> str:
    values: Sequence[float | None] = trial.values or [None] * len(study.objectives)
    minutes = None if trial.ended is None else round((trial.ended - trial.began) / 60, 1)
    cells: list[Any] = [trial.number, trial.state, *values]
    cells += [_param(trial, key) for key in study.keys]
    cells += [trial.examples, minutes, trial.reason]
    shown = [_cell(value, place in numbers) for place, value in enumerate(cells)]
    if trial.address:
        shown[0] = shown[0].replace(
            f">{trial.number}<", f'><a href="{escape(trial.address)}">{trial.number}</a><'
        )
    best = " class=best" * (trial.number in study.best)
    return f'<tr data-trial="{trial.number}"{best}>{"".join(shown)}</tr>'


def _param(trial: Trial, key: str) -> Any:
    """Returns the value of a parameter; None where the trial does not have it."""
    value = trial.params.get(key)
    return word(value) if value is None and key in trial.params else value


def _cell(value: Any, in_numbers: bool) -> str:
    key = f' data-value="{value!r}"' if is_number(value) else ""
    kind = " class=number" if in_numbers or is_number(value) else ""
    return f"<td{kind}{key}>{escape(_text(value))}</td>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if is_number(value) else str(value)


def _linked(link: str) -> str:
    if link.startswith(("http://", "https://")):
        return f'<a href="{escape(link)}">{escape(link)}</a>'
    return f"<code>{escape(link)}</code>"

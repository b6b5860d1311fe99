"""The page that explains why a challenger became champion, or did not."""

import base64
import html
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from yt8m_exp.registry.chain import Record
from yt8m_exp.registry.gate import Check

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #24292f; max-width: 60rem; margin: 2rem auto }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .3rem .8rem; text-align: left; border-bottom: 1px solid #dfe3e8 }
img { max-width: 100% }
.no { color: #b8403a; font-weight: 600 }
.yes { color: #3a8f5c }
small { color: #6b7280 }
"""


def render(
    name: str,
    record: Record,
    checks: Sequence[Check],
    facts: Mapping[str, Mapping[str, str]],
    figures: Mapping[str, bytes],
    *,
    better: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Returns a page of HTML that needs no other file.

    Args:
        name: name of the registered model.
        record: the decision.
        checks: the checks, the failed ones first.
        facts: one column for each model: its facts by name.
        figures: PNG images by title.
        better: the column of the better model, by the name of a fact.
    """
    verdict = "passes" if record.kind == "promote" else "is refused"
    parts = [
        f"<!doctype html><meta charset=utf-8><title>{_text(name)}</title><style>{STYLE}</style>",
        f"<h1>{_text(name)}, version {record.version}, {verdict}</h1>",
        f"<p>{_text(record.reason)}</p>",
        "<h2>What must hold</h2><table>",
        *(
            f"<tr><td class={'yes' if c.passed else 'no'}>{'holds' if c.passed else 'fails'}</td>"
            f"<td>{_text(c.name)}</td><td>{_text(c.sentence)}</td></tr>"
            for c in checks
        ),
        "</table>",
        *_columns(facts, better),
        *(
            f'<h2>{_text(title)}</h2><img alt="{_text(title)}" src="data:image/png;base64,'
            f'{base64.b64encode(png).decode()}">'
            for title, png in figures.items()
        ),
        f"<p><small>{_text(record.at)}, by {_text(record.by)}, run {_text(str(record.run_id))}"
        "</small></p>",
    ]
    return "\n".join(parts)


def _columns(facts: Mapping[str, Mapping[str, str]], better: Mapping[str, str]) -> list[str]:
    rows = dict.fromkeys(key for column in facts.values() for key in column)
    head = "".join(f"<th>{_text(title)}</th>" for title in facts)
    lines = []
    for row in rows:
        marks = {side: " class=yes" if better.get(row) == side else "" for side in facts}
        cells = [f"<td{marks[side]}>{_text(facts[side].get(row, ''))}</td>" for side in facts]
        lines.append(f"<tr><td>{_text(row)}</td>{''.join(cells)}</tr>")
    return ["<h2>The models</h2><table>", f"<tr><th></th>{head}</tr>", *lines, "</table>"]


def _text(value: str) -> str:
    return html.escape(value)

"""The page that tells why a challenger became champion, or did not."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType

from yt8m_exp.plots import document
from yt8m_exp.registry.chain import Record
from yt8m_exp.registry.gate import Check


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
        name: of the registered model.
        record: the decision.
        checks: what was checked, the failed ones first.
        facts: a column a model: what is known of it, by name.
        figures: PNG images by title.
        better: the column that is the better one, by the name of a fact.
    """
    verdict = "passes" if record.kind == "promote" else "is refused"
    parts = [
        f"<h1>{escape(name)}, version {record.version}, {verdict}</h1>",
        f"<p>{escape(record.reason)}</p>",
        "<h2>What must hold</h2>",
        document.table((), map(_check, checks)),
        "<h2>The models</h2>",
        document.table(("", *facts), _facts(facts, better)),
        *(document.image(title, png) for title, png in figures.items()),
        f"<p><small>{escape(record.at)}, by {escape(record.by)}, run {escape(str(record.run_id))}"
        "</small></p>",
    ]
    return document.page(name, parts)


def _check(check: Check) -> tuple[str, ...]:
    word = document.good("holds") if check.passed else document.bad("fails")
    return word, escape(check.name), escape(check.sentence)


def _facts(
    facts: Mapping[str, Mapping[str, str]], better: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    for row in dict.fromkeys(key for column in facts.values() for key in column):
        cells = {side: column.get(row, "") for side, column in facts.items()}
        yield (
            escape(row),
            *(
                document.good(cell) if better.get(row) == side else escape(cell)
                for side, cell in cells.items()
            ),
        )

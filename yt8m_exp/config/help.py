"""The help of a verb: what it does, an example, its keys with their comments and defaults."""

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence

from yt8m_exp.config import compose, groups, keys
from yt8m_exp.config.doors import verbs
from yt8m_exp.config.keys import Group, Keys
from yt8m_exp.config.overrides import literal

COMMAND = re.compile(r": (?:python -m yt8m_exp\.|yt8m )(.*)")
WIDEST, LEFT = 100, 36
FLAGS = {"--help", "-h"}
OTHER_CHOICE = (
    "Another choice of a group may have other keys: add it, as in `yt8m {verb} model=moe --help`."
)
MORE = (
    "json=true prints the result as a line of JSON, also on a terminal. --cfg job prints the whole "
    "configuration, and --hydra-help what Hydra's own options are."
)


def text(verb: str, words: Sequence[str] = ()) -> str:
    """Returns the help of a verb.

    Args:
        verb: its name.
        words: overrides, which may choose other groups, with other keys.
    """
    found = keys.of_verb(verb, words)
    example = COMMAND.search(keys.first_comment(groups.CONF / f"{verb}.yaml"))
    lines = [verbs()[verb], "", *([f"  yt8m {example[1]}", ""] if example else [])]
    lines += [*_groups(found), "Keys, with their defaults:", *_keys(found)]
    return "\n".join(lines) + "\n" + _end(verb, found)


def _end(verb: str, found: Keys) -> str:
    chooses = any(group.key == "model" for group in found.groups)
    sentences = " ".join([*([OTHER_CHOICE.format(verb=verb)] if chooses else []), MORE])
    return "\n" + textwrap.fill(sentences, _width(), break_on_hyphens=False) + "\n"


def _groups(found: Keys) -> Iterator[str]:
    several = sorted(group for group in found.groups if len(group.choices) > 1)
    if several:
        yield "Groups, with the choice that is the default, and all choices:"
        for group in several:
            yield from _row(f"{group.key}={literal(group.choice)}", ", ".join(group.choices))
        yield ""


def _keys(found: Keys) -> Iterator[str]:
    """Yields the keys, those at the root first, then each group or mapping under its name."""
    yield from _section(found, "")
    for top in dict.fromkeys(key.partition(".")[0] for key in found.defaults if "." in key):
        group = next((group for group in found.groups if group.key == top), None)
        yield ""
        meaning = found.comments.get(top) or (group.meaning if group else "")
        yield from _row(_head(top, group), meaning)
        yield from _section(found, f"{top}.")


def _head(top: str, group: Group | None) -> str:
    return f"{top}={group.choice}" if group and len(group.choices) > 1 else top


def _section(found: Keys, prefix: str) -> Iterator[str]:
    for key, value in found.defaults.items():
        if key.startswith(prefix) and (prefix or "." not in key):
            parent = found.comments.get(key.rpartition(".")[0], "") if key.count(".") > 1 else ""
            meaning = found.comments.get(key, parent)
            if value == compose.MISSING:
                yield from _row(f"{key}=...", f"must be given: {meaning}".removesuffix(": "))
            else:
                yield from _row(f"{key}={literal(value)}", meaning)


def _width() -> int:
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 1)).columns)


def _row(left: str, right: str) -> list[str]:
    """Returns the lines of a key and its meaning, as two columns."""
    lines = textwrap.wrap(right, max(_width() - LEFT - 2, 20))
    if not lines or len(left) >= LEFT:
        return [f"  {left}", *(f"  {'':{LEFT}}{line}" for line in lines)]
    first, *rest = lines
    return [f"  {left:{LEFT}}{first}", *(f"  {'':{LEFT}}{line}" for line in rest)]

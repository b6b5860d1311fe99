"""Groups inside groups: `model.head=moe` chooses a file, as `model=dbof` does.

A file of `conf/model/` places the group `head` at `model.head` by `/head@model.head: moe` in its
defaults list. To choose another file there, Hydra itself expects `head@model.head=logistic`.
"""

import re
from collections.abc import Iterable
from functools import cache

from yt8m_exp import spec
from yt8m_exp.config.overrides import unswept
from yt8m_exp.spec import InputError
from yt8m_exp.terminal.suggestions import did_you_mean

CONF = spec.PROJECT / "conf"
CHOICE = re.compile(r"(?P<plus>\+?)(?P<key>[A-Za-z_]\w*(?:\.\w+)+)=(?P<value>(?!\{).*)")
PLACED = re.compile(r"^\s*- /(?P<group>[\w/]+)@(?P<package>[\w.]+):", re.MULTILINE)


def to_hydra(overrides: Iterable[str]) -> list[str]:
    """Rewrites choices of nested groups, such as `model.head=moe`, and commas to Hydra's spelling.

    Raises:
        InputError: a choice names no file of its group.
    """
    return [unswept(_rewritten(word)) for word in overrides]


def choices(group: str) -> list[str]:
    """Returns the names of the files of a group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def choices_at(key: str) -> list[str]:
    """Returns the names of the files of the group at a key, as `model.head`; empty if none is."""
    group = _group(key)
    return choices(group) if group else []


def chooses(word: str) -> bool:
    """Returns whether an override chooses a file of a group."""
    key, equals, _ = word.lstrip("+").partition("=")
    return bool(equals) and bool(choices(key.partition("@")[0]) or choices_at(key))


def from_hydra(key: str) -> str:
    """Returns the key of a group from Hydra's spelling: `model.head` from `head@model.head`."""
    return key.partition("@")[2] or key


def _rewritten(word: str) -> str:
    key, _, value = word.lstrip("+").partition("=")
    if value == "null" and "/" not in key and choices(key):
        raise InputError(f"`{key}` must be one of {', '.join(choices(key))}, but got null.")
    found = CHOICE.fullmatch(word)
    group = found and _group(found["key"])
    if not found or not group:
        return word
    names = choices(group)
    if found["value"] not in names and not _is_below(group, found["value"]):
        raise InputError(
            f"`{found['key']}` must be one of {', '.join(names)}, but got {found['value']!r}."
            f"{did_you_mean(found['value'], names)}"
        )
    return f"{found['plus']}{group}@{found['key']}={found['value']}"


def _is_below(group: str, name: str) -> bool:
    """Returns whether a name is that of a file in a folder of a group: `nextvlad/logistic`."""
    return "/" in name and (CONF / group / f"{name}.yaml").is_file()


def _group(key: str) -> str | None:
    """Returns the group that is placed at a key, None if there is none."""
    group, *parts = key.split(".")
    for part in parts:
        placed = _placed(group)
        if part not in placed:
            return None
        group = placed[part]
    return group


@cache
def _placed(group: str) -> dict[str, str]:
    """Returns the groups that files of a group place inside it, by the last part of their key."""
    found = (
        match
        for path in (CONF / group).glob("*.yaml")
        for match in PLACED.finditer(path.read_text(encoding="utf-8"))
    )
    return {match["package"].rpartition(".")[2]: match["group"] for match in found}

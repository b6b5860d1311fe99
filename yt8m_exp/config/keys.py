"""The keys of a verb with their defaults, and with the comments of the YAML that sets them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from yt8m_exp.config import compose, groups

PACKAGE = re.compile(r"#\s*@package\s+(\S+)")
COMMENT = re.compile(r"\s#\s*(.*)$")
BUILT = ("_target_", "_partial_")
"""Keys that say how a group is built; the choice of the group sets them."""


class Group(NamedTuple):
    """A group: its key, the file that is chosen, what that is, and the files to choose from."""

    key: str
    choice: str | None
    meaning: str
    choices: list[str]


class Keys(NamedTuple):
    """What the command line of a verb takes.

    Attributes:
        defaults: the value of each dotted key without a command line; `???` must be given.
        comments: what keys, and mappings of keys, mean.
        groups: the groups.
    """

    defaults: dict[str, Any]
    comments: dict[str, str]
    groups: list[Group]

    @property
    def names(self) -> list[str]:
        """The names that may stand before a `=`."""
        return list(dict.fromkeys([*(group.key for group in self.groups), *self.defaults]))


def of_verb(verb: str, words: Sequence[str] = ()) -> Keys:
    """Returns what a verb takes on its command line.

    Args:
        verb: the name of its file in `conf/`.
        words: overrides, which may choose other groups, with other keys.
    """
    values, chosen = compose.chosen(verb, words)
    defaults = {key: v for key, v in values.items() if key.rpartition(".")[2] not in BUILT}
    return Keys(defaults, _comments(verb, chosen), [_group(*item) for item in chosen.items()])


def first_comment(path: Path) -> str:
    """Returns the line of a YAML file that says what it is."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    said = (line.removeprefix("#").strip() for line in lines if not PACKAGE.match(line))
    return next(said, "").removesuffix(":")


def _group(key: str, choice: str | None) -> Group:
    folder = key.partition("@")[0]
    meaning = first_comment(groups.CONF / folder / f"{choice}.yaml")
    return Group(groups.from_hydra(key), choice, meaning, groups.choices(folder))


def _comments(verb: str, chosen: Mapping[str, str | None]) -> dict[str, str]:
    found = dict(_comments_of(groups.CONF / f"{verb}.yaml", ""))
    for key, choice in chosen.items():
        path = groups.CONF / key.partition("@")[0] / f"{choice}.yaml"
        if path.is_file():
            found |= _comments_of(path, groups.from_hydra(key))
    return found


def _comments_of(path: Path, package: str) -> Iterator[tuple[str, str]]:
    """Yields the comments of a file by the dotted keys that they stand beside."""
    text = path.read_text(encoding="utf-8")
    if named := PACKAGE.match(text):
        package = named[1].replace("_global_", "")
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    for base in _extended(root):
        if (beside := path.with_name(f"{base}.yaml")).is_file():
            yield from _comments_of(beside, package)
    for key, line in _lines(root, package):
        if comment := COMMENT.search(text.splitlines()[line]):
            yield key, comment[1]


def _extended(root: yaml.Node | None) -> list[str]:
    """Returns the files of its own group that a file extends by its defaults list."""
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    listed = [value.value for name, value in pairs if name.value == "defaults"]
    return [node.value for nodes in listed for node in nodes if isinstance(node, yaml.ScalarNode)]


def _lines(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        key = f"{prefix}.{name.value}".removeprefix(".")
        yield key, name.start_mark.line
        yield from _lines(value, key)

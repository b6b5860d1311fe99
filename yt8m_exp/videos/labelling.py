"""The class ids of labels, by a vocabulary or by one made of the labels."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from yt8m_exp.data import text, vocabulary
from yt8m_exp.spec import InputError
from yt8m_exp.terminal.suggestions import did_you_mean
from yt8m_exp.videos.listing import Source


class Labels(NamedTuple):
    """The classes of some videos.

    Attributes:
        ids: class ids by the video's id; without those that have no labels.
        names: of the classes, in the order of their ids.
    """

    ids: dict[str, list[int]]
    names: tuple[str, ...]


def read(sources: Sequence[Source], path: str | None) -> Labels:
    """Gives labels their class ids.

    Args:
        sources: the videos.
        path: a vocabulary, in which labels are names or ids. None makes one: of the names in
            alphabetical order, or of as many numbers as are used, if all labels are numbers.

    Raises:
        InputError: a label is not in the vocabulary.
    """
    labelled = {source.id: source.labels for source in sources if source.labels is not None}
    if path is not None:
        names = vocabulary.read(path, vocabulary.size(path), key="vocabulary").names
    else:
        names = _made({label for labels in labelled.values() for label in labels})
    places = {name: class_id for class_id, name in reversed(list(enumerate(names))) if name}
    ids = {
        video: [_class_id(label, places, len(names), video) for label in labels]
        for video, labels in labelled.items()
    }
    return Labels(ids, names)


def write(path: Path, names: Sequence[str]) -> None:
    """Writes a vocabulary."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("index", "name"))
        writer.writerows(enumerate(names))


def _made(labels: set[str]) -> tuple[str, ...]:
    ids = [text.class_id(label) for label in labels]
    if all(class_id is not None for class_id in ids):
        return ("",) * (max(ids, default=-1) + 1)  # type: ignore[operator,type-var]
    return tuple(sorted(labels))


def _class_id(label: str, places: dict[str, int], classes: int, video: str) -> int:
    found = places.get(label, text.class_id(label))
    if found is None or found >= classes:
        hint = did_you_mean(label, places) or " Set vocabulary to the one that has it."
        raise InputError(f"{video} has the label {label!r}, which is no class.{hint}")
    return found

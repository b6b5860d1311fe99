"""The names of classes: the index is the key, since names repeat and some are empty."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from yt8m_exp.data import text
from yt8m_exp.spec import InputError, MissingInputError

INDEX = ("index", "label_id")
NAME = ("name", "display_name", "label_name")
"""What the columns are called: by us and the data set, by AudioSet, by Kaggle."""
VERTICAL = ("vertical", "vertical1")
"""What the column of verticals is called: by us, and by the data set."""


@dataclass(frozen=True)
class Vocabulary:
    """Names by class id.

    Args:
        names: one for each class, in the order of class ids; may be empty.
        path: the file they come from, None where classes are only numbered.
        verticals: the field of each class, as "Games"; empty where the file does not tell.
    """

    names: tuple[str, ...]
    path: Path | None = None
    verticals: tuple[str, ...] = ()


def read(path: str | Path | None, classes: int, *, key: str = "data.vocabulary") -> Vocabulary:
    """Reads a vocabulary, in whatever order its rows are.

    Args:
        path: a CSV with a column of each of `INDEX` and `NAME`, as the files in circulation have;
            None leaves the classes without names.
        classes: how many classes there must be.
        key: the configuration key of the path, for what is said of it.

    Raises:
        InputError: the file has other columns, or other classes.
        MissingInputError: there is no such file.
    """
    if path is None:
        return Vocabulary(("",) * classes)
    path = Path(path)
    if not path.is_file():
        raise MissingInputError(
            f"No vocabulary at {str(path)!r}. Set {key}, or to null for numbers alone."
        )
    first, *rows = [row for _, row in text.table(path)] or [[]]
    index, name = text.column(first, INDEX), text.column(first, NAME)
    if not rows or index is None or name is None:
        raise InputError(
            f"{path}: expected the columns `index` and `name` in the first line (or "
            f"{', '.join(INDEX[1:])} and {', '.join(NAME[1:])}), but got {first}."
        )
    for number, row in enumerate(rows, 1):
        if len(row) != len(first) or text.class_id(row[index]) is None:
            raise InputError(
                f"{path}, row {number} below the first line: expected {len(first)} values, a "
                f"class id as `{first[index]}` among them, but got {row}."
            )
    names = {int(row[index]): row[name] for row in rows}
    if sorted(names) != list(range(classes)) or len(rows) != classes:
        raise InputError(
            f"{path}: expected each class id in [0, {classes}) once, but got {len(rows)} rows with "
            f"ids up to {max(names)}. Set {key} to that of the release with these classes."
        )
    vertical = text.column(first, VERTICAL)
    verticals = {} if vertical is None else {int(row[index]): row[vertical] for row in rows}
    in_order = sorted(names)
    found = tuple(verticals[class_id] for class_id in in_order) if verticals else ()
    return Vocabulary(tuple(names[class_id] for class_id in in_order), path, found)


def size(path: str | Path) -> int:
    """Returns how many classes a vocabulary has: the rows below its first line.

    Raises:
        MissingInputError: there is no such file.
    """
    if not Path(path).is_file():
        raise MissingInputError(f"No vocabulary at {str(path)!r}.")
    return max(sum(1 for _ in text.table(path)) - 1, 0)


def digest(names: Iterable[str]) -> str:
    """Returns 32 hexadecimal digits of a SHA-256 over the names of classes, in order."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()[:32]

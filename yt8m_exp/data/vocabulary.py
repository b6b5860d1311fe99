"""The names of classes: the index is the key, since names repeat and some are empty."""

import csv
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Vocabulary:
    """Names by class id.

    Args:
        names: one for each class, in the order of class ids; may be empty.
        path: the file they come from, None where classes are only numbered.
    """

    names: tuple[str, ...]
    path: Path | None = None


def read(path: str | Path | None, classes: int) -> Vocabulary:
    """Reads a vocabulary, in whatever order its rows are.

    Args:
        path: a CSV with the columns `index` and `name`, or the dataset's own (`Index`, `Name`);
            None leaves the classes without names.
        classes: how many classes there must be.

    Raises:
        ValueError: the file has other columns, or other classes.
        FileNotFoundError: there is no such file.
    """
    if path is None:
        return Vocabulary(("",) * classes)
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"No vocabulary at {str(path)!r}. Set data.vocabulary, or to null for numbers alone."
        )
    with path.open(newline="", encoding="utf-8") as file:
        first, *rows = [row for row in csv.reader(file) if row] or [[]]
    columns = [name.lower() for name in first]
    if not rows or not {"index", "name"} <= set(columns):
        raise ValueError(f"{path}: expected the columns `index` and `name` in the first line.")
    index, name = columns.index("index"), columns.index("name")
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns) or not row[index].isdecimal():
            raise ValueError(
                f"{path}, row {number} below the first line: expected {len(columns)} values, a "
                f"class id as `index` among them, but got {row}."
            )
    names = {int(row[index]): row[name] for row in rows}
    if sorted(names) != list(range(classes)) or len(rows) != classes:
        raise ValueError(
            f"{path}: expected each class id in [0, {classes}) once, but got {len(rows)} rows with "
            f"ids up to {max(names)}. Set data.vocabulary and data.classes of the same release."
        )
    return Vocabulary(tuple(names[class_id] for class_id in range(classes)), path)


def digest(names: Iterable[str]) -> str:
    """Returns 32 hexadecimal digits of a SHA-256 over the names of classes, in order."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()[:32]

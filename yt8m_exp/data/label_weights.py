"""What each class counts in a loss, from a file."""

import math
from pathlib import Path

import numpy as np

from yt8m_exp.data import text
from yt8m_exp.data.vocabulary import INDEX
from yt8m_exp.spec import InputError

WEIGHT = ("weight", "label_weight")


def read(path: str | Path, classes: int) -> np.ndarray:
    """Reads what each class counts, float32 (C,); a class without a row counts 1.

    Args:
        path: a CSV with a column of each of `INDEX` and `WEIGHT`.
        classes: C.

    Raises:
        InputError: there is no such file, or it has other columns, other classes, a class twice,
            or a weight that is not finite or below 0.
    """
    first, *rows = [row for _, row in text.table(path)] or [[]]
    index, weight = text.column(first, INDEX), text.column(first, WEIGHT)
    if not rows or index is None or weight is None:
        raise InputError(
            f"{path}: expected the columns `index` and `weight` in the first line, and a class "
            f"below, but got {first}."
        )
    weights, seen = np.ones(classes, np.float32), set()
    for number, row in enumerate(rows, 1):
        row += [""] * (len(first) - len(row))
        class_id, value = text.class_id(row[index]), _weight(row[weight])
        if class_id is None or class_id >= classes or class_id in seen or value is None:
            raise InputError(
                f"{path}, row {number} below the first line: expected a class id in "
                f"[0, {classes}), each once, and a weight of at least 0, but got {row}."
            )
        seen.add(class_id)
        weights[class_id] = value
    return weights


def _weight(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None

"""Checkpoints: all that a run resumes from, in one file that is written whole or not at all."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from yt8m_exp.spec import InputError, OutsideError
from yt8m_exp.training import npz

PATTERN = re.compile(r"checkpoint-(\d{12})\.npz")
NAME = "checkpoint-{:012d}.npz"
PARTIAL = (f"*{npz.PARTIAL}", "partial-*.keras")
KEEP = 2


def save(folder: Path, examples: int, variables: Sequence[np.ndarray], state: Mapping) -> Path:
    """Writes a checkpoint, then removes all but the last few.

    Args:
        folder: where it goes.
        examples: examples seen, which name and order the checkpoints.
        variables: values of the model's and the optimizer's variables, in order.
        state: what else the run resumes from, as plain data.

    Returns:
        The file.

    Raises:
        OSError: it cannot be written, as on a full disk. Older checkpoints are unchanged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME.format(examples)
    arrays = {f"{index:04d}": value for index, value in enumerate(variables)}
    arrays["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    try:
        npz.save(path, arrays)
    except OSError as error:
        raise OutsideError(
            error.errno,
            f"The checkpoint at {examples:,} examples cannot be written ({error.strerror}). Older "
            "ones are untouched: make room, then go on with resume=<run id>",
            str(path),
        ) from error
    for old in find(folder)[:-KEEP]:
        old.unlink()
    return path


def remove_partial(folder: Path) -> None:
    """Removes what a process left that was killed while it wrote a checkpoint or a model.

    Args:
        folder: the checkpoints of a run that no other process holds.
    """
    for pattern in PARTIAL:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def find(folder: Path) -> list[Path]:
    """Returns the checkpoints of a folder, oldest first."""
    found = folder.glob("checkpoint-*.npz") if folder.is_dir() else []
    return sorted(path for path in found if PATTERN.fullmatch(path.name))


def load(path: Path) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Reads a checkpoint.

    Returns:
        The variables and the state that `save` was given.

    Raises:
        InputError: the file is damaged.
    """
    with path.open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                state = json.loads(arrays["state"].tobytes())
                return [arrays[name] for name in sorted(set(arrays.files) - {"state"})], state
        except Exception as error:  # a damaged zip file raises one of a dozen kinds
            raise InputError(
                f"{path} is no whole checkpoint ({error}). Remove it to go on from the one before."
            ) from error

"""Files of arrays that are written whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

PARTIAL = ".part"


def save(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes arrays by name as an uncompressed .npz file.

    Raises:
        OSError: it cannot be written, as on a full disk; an older file is unchanged.
    """
    partial = path.with_suffix(PARTIAL)
    try:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise

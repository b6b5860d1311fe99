"""Features of videos on disk, one file a video, so that no video is looked at twice."""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.spec import InputError
from yt8m_exp.videos.listing import Source

MADE_WITH = "made_with.json"


class Store:
    """A folder of features. Threads may share it.

    Args:
        folder: where they are; it is made.
        made_with: what features depend on besides the videos, as plain data.

    Raises:
        InputError: the folder holds features that were made otherwise.
    """

    def __init__(self, folder: Path, made_with: Mapping[str, Any]):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        noted = folder / MADE_WITH
        if not noted.exists():
            noted.write_text(json.dumps(made_with, indent=1))
        elif (before := json.loads(noted.read_text())) != made_with:
            names = [key for key in made_with if before.get(key) != made_with[key]]
            raise InputError(
                f"{folder} holds features that were made with other {' and '.join(names)}. Name "
                f"another output, or remove {folder} to start again."
            )

    def has(self, source: Source) -> bool:
        """Tells whether a video's features are there, and the video is the same as then."""
        path = self._path(source.id)
        try:
            with path.open("rb") as file, np.load(file) as found:
                return found["video"].tolist() == _stamp(source.path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return False

    def write(self, source: Source, features: Mapping[str, NDArray[np.uint8]]) -> None:
        """Keeps the features of a video; a file has its name once it is whole."""
        path = self._path(source.id)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, video=np.array(_stamp(source.path)), **features)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def read(self, video_id: str) -> dict[str, NDArray[np.uint8]]:
        """Returns the features of a video, uint8 (T, D) by name."""
        with np.load(self._path(video_id)) as found:
            return {name: found[name] for name in found.files if name != "video"}

    def _path(self, video_id: str) -> Path:
        return self.folder / f"{quote(video_id, safe=' ')}.npz"


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]

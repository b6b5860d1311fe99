"""The published files that features are computed with, and what is in them.

Archives are read as they were downloaded; files that somebody has unpacked beside them go first.
"""

import hashlib
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from yt8m_exp.spec import InputError, MissingInputError

DOWNLOAD = "yt8m download partition=extractor"


class Part(NamedTuple):
    """What is read of a published file.

    Attributes:
        name: the file in the archive; or the file itself.
        archive: its archive, empty without one.
    """

    name: str
    archive: str = ""


GRAPH = Part("classify_image_graph_def.pb", "inception-2015-12-05.tgz")
MEAN, EIGENVALUES, EIGENVECTORS = (
    Part(name, "yt8m_pca.tgz") for name in ("mean.npy", "eigenvals.npy", "eigenvecs.npy")
)
CHECKPOINT, SOUND_PCA = Part("vggish_model.ckpt"), Part("vggish_pca_params.npz")
PICTURES, SOUND = (GRAPH, MEAN, EIGENVALUES, EIGENVECTORS), (CHECKPOINT, SOUND_PCA)


def require(folder: Path) -> None:
    """Refuses a folder without all published files.

    Raises:
        MissingInputError: some are missing; the message says how to fetch them.
    """
    parts = (*PICTURES, *SOUND)
    missing = dict.fromkeys(part.archive or part.name for part in parts if not _path(folder, part))
    if missing:
        raise MissingInputError(
            f"Features are computed with published files, but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not in {folder}. Fetch them once (about 400 "
            f"MB): {DOWNLOAD} output={folder}"
        )


def read(folder: Path, part: Part) -> bytes:
    """Returns the bytes of a part.

    Raises:
        InputError: it is missing or damaged.
    """
    path = _path(folder, part)
    if path is None:
        raise MissingInputError(f"{part.archive or part.name} is not in {folder}: {DOWNLOAD}")
    if path.name != part.archive:
        return path.read_bytes()
    try:
        with tarfile.open(path) as archive:
            found = next(m for m in archive if m.isfile() and Path(m.name).name == part.name)
            return archive.extractfile(found).read()  # type: ignore[union-attr]
    except (tarfile.TarError, zlib.error, EOFError, OSError):
        raise InputError(f"{path} is damaged. Remove it, and fetch it again: {DOWNLOAD}") from None
    except StopIteration:
        raise InputError(f"{path} does not hold {part.name}. Is it another archive?") from None


def array(folder: Path, part: Part, shape: tuple[int, ...]) -> np.ndarray:
    """Returns an array of a `.npy` file, of this shape or with more rows.

    Raises:
        InputError: it is missing or damaged, or has another shape.
    """
    return _checked(part.name, shape, lambda: np.load(io.BytesIO(read(folder, part))))


def arrays(folder: Path, part: Part, shapes: Mapping[str, tuple[int, ...]]) -> list[np.ndarray]:
    """Returns arrays of a `.npz` file, by name and shape."""
    data = read(folder, part)
    return [
        _checked(f"{name} of {part.name}", shape, lambda n=name: np.load(io.BytesIO(data))[n])  # type: ignore[misc]
        for name, shape in shapes.items()
    ]


def digests(folder: Path) -> dict[str, str]:
    """Returns the MD5 of each published file in a folder, which must have all."""
    paths = {path for part in (*PICTURES, *SOUND) if (path := _path(folder, part))}
    return {path.name: _md5(path) for path in sorted(paths)}


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _checked(name: str, shape: tuple[int, ...], load: Callable[[], np.ndarray]) -> np.ndarray:
    try:
        found = load()
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile):
        raise InputError(f"{name} cannot be read. Fetch it again: {DOWNLOAD}") from None
    if found.shape[1:] != shape[1:] or len(found) < shape[0]:
        raise InputError(f"{name} must have the shape {shape}, but has {found.shape}.")
    return found


def _path(folder: Path, part: Part) -> Path | None:
    names = (part.name, part.archive) if part.archive else (part.name,)
    return next((folder / name for name in names if (folder / name).is_file()), None)

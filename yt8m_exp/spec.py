"""What the dataset fixes: sizes, names, class counts, shape letters; names and folders; errors.

Shape letters used throughout: B videos in a batch, T frames, D features, C classes, E experts,
K predictions kept of a video, L labels of a video (padded), N records.

Source: S. Abu-El-Haija et al., "YouTube-8M: A Large-Scale Video Classification Benchmark", 2016,
https://arxiv.org/abs/1609.08675, and https://research.google.com/youtube8m.
"""

import os
from pathlib import Path
from typing import Literal, TypeVar

PACKAGE = Path(__file__).resolve().parent
IS_CLONE = (PACKAGE.parent / "conf").is_dir()
PROJECT = PACKAGE.parent if IS_CLONE else PACKAGE
"""The folder of conf/, sweeps/ and sample/: of the clone, or the package if a wheel was installed.
"""

CLASSES = 3862
CLASSES_2017 = 4716
CLASSES_AUDIOSET = 527
RGB = 1024
AUDIO = 128
FRAME = RGB + AUDIO
"""Values of a frame."""
MAX_FRAMES = 300
SEGMENT_FRAMES = 5
"""Frames of a rated segment: five seconds."""
BYTE_SCALE = 4 / 255
BYTE_OFFSET = 4 / 512 - 2
"""A byte of a frame stands for `byte * BYTE_SCALE + BYTE_OFFSET`, in [-2, 2].

Source: google/youtube-8m, utils.py.
"""
BYTE_CENTER = -BYTE_OFFSET / BYTE_SCALE
"""The byte value of zero, 127.001953125. Both it and a byte minus it are exact in float32."""
TOP_K = 20
"""Predictions of a video that count in GAP and mAP, and that the competition's file holds."""
SEGMENT_CLASSES = 1000
SEGMENTS_LISTED = 100_000
"""Segments of a class that count in the competition of 2019."""
CHAMPION = "models:/yt8m@champion"
"""The model that is read where none is named."""
RUN_ID = "[0-9a-f]{32}"
"""The form of the id of a run of MLflow, a regular expression."""
DECISIONS = ".decisions"
"""Ends the name of a registered model whose versions are the decisions on another."""
Normalize = Literal[
    "each",
    "joint",
    "none",
    "unwhiten",
    "unwhiten_each",
    "unwhiten_unit",
    "part_unwhiten_each",
    "part_unwhiten_unit",
]
"""Ways to normalise features: `models.normalization` says what each does."""
Error = TypeVar("Error", bound=BaseException)


def shipped(path: str) -> str:
    """Returns the path of one of the project's own files, which verbs read from any folder."""
    return path if Path.cwd() == PROJECT else str(PROJECT / path)


def kept(path: str) -> str:
    """Returns the path of what verbs keep: in the clone from any folder, or else where they run."""
    return path if not IS_CLONE or Path.cwd() == PROJECT else str(PROJECT / path)


def cache(name: str) -> Path:
    """Returns a folder of the user's cache, which all clones share."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "yt8m_exp" / name


class UserError(Exception):
    """An error that a user can fix or has to know: shown as one sentence, with exit status 1.

    All other exceptions are faults of the program and show their traceback.
    """


class InputError(UserError, ValueError):
    """A user's input breaks a rule: exit status 2."""


class MissingInputError(InputError, FileNotFoundError):
    """A file or folder that a user named does not exist."""


class OutsideError(UserError, OSError):
    """A disk, a server or another process prevents the work."""


class UnansweredError(OutsideError, ConnectionError):
    """A server gives no answer for longer than this process waits for it: exit status 75."""


class RefusedError(OutsideError, PermissionError):
    """A server does not accept the login of this process, or does not let its user do this."""


class NotFiniteError(UserError, FloatingPointError):
    """A loss or a weight is not finite."""


def caused_by(error: BaseException | None, kind: type[Error]) -> Error | None:
    """Returns the first error of a kind among an error and those that led to it."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error

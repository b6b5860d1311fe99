"""An object of a store, and what every store can do with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from yt8m_exp.spec import UserError

Sink = Callable[[bytes], Any]
"""Takes the next bytes."""
FOLDER = ("*.tfrecord", "*.tfrecord.gz", "*.tfrecord.zlib")
"""What a folder of shards stands for."""


class Changed(UserError):
    """An object is no longer what it was when it was listed, or not what a write expected."""


class Interrupted(UserError):
    """A transfer ended early, or a store did not answer: it may be tried again."""


@dataclass(frozen=True)
class Object:
    """A file as it was when it was listed.

    Args:
        uri: where it lies: a local path, gs://bucket/name, or https://host/name.
        bytes: its size.
        generation: names its content. Another content under the same URI has another generation.
        crc32c: the CRC-32C that its store knows of, 8 hexadecimal digits.
        md5: the MD5 that its store knows of, 32 hexadecimal digits.
    """

    uri: str
    bytes: int
    generation: str
    crc32c: str | None = None
    md5: str | None = None

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self.uri.rpartition("/")[2]


class Store(Protocol):
    """A place that holds objects."""

    def list(self, patterns: Sequence[str], names: Sequence[str] = FOLDER) -> list[list[Object]]:
        """Returns the objects that match each pattern, in the order of their names.

        A pattern is a glob (`*` stays within a folder, `**` does not), an object, or a folder. The
        list of a pattern without a match is empty.

        Args:
            patterns: the patterns.
            names: globs of the objects that a folder stands for.
        """

    def stat(self, uri: str) -> Object | None:
        """Returns the object at a URI, or None if there is none."""

    def read(self, found: Object, sink: Sink, *, start: int = 0) -> None:
        """Gives a sink the bytes of an object from `start` on.

        Raises:
            Changed: the object was replaced or deleted since it was listed.
            Interrupted: the transfer ended early; the sink has what came before.
        """

    def write(self, file: Path, uri: str, *, replaces: Object | None) -> Object:
        """Writes a local file to a URI, whole or not at all.

        Args:
            file: the local file.
            uri: where to.
            replaces: the object that lies there now; None: nothing does.

        Raises:
            Changed: something else lies there.
        """

    def remove(self, uri: str) -> None:
        """Removes an object, if it is there."""

"""Text files as people hand them over: UTF-8, with or without a byte order mark, or in GZIP."""

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from yt8m_exp.spec import InputError

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
REMEDY = "Save it as UTF-8."


def lines(path: str | Path) -> Iterator[str]:
    """Yields the lines of a file with their ends; of a GZIP file, those that it holds.

    Raises:
        InputError: the file cannot be read, is not UTF-8, or its GZIP stream is broken.
    """
    path = Path(path)
    with _opened(path) as file, _named(path):
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        for number, line in enumerate(gzip.GzipFile(fileobj=file) if compressed else file, 1):
            yield _decoded(line, number, path)


def table(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the rows of a CSV file that are not empty, each with the number of its last line.

    Raises:
        InputError: the file is no CSV, or not UTF-8.
    """
    rows = csv.reader(lines(path))
    with _named(path):
        for row in rows:
            if row:
                yield rows.line_num, row


def column(names: Iterable[str], known: Iterable[str]) -> int | None:
    """Returns the place of the first column that has a known name, whatever its case."""
    lowered = [name.strip().lower() for name in names]
    return next((lowered.index(name) for name in known if name in lowered), None)


def class_id(text: str) -> int | None:
    """Returns the class id that a text is, None where it is none: not below zero, an int32."""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _decoded(line: bytes, number: int, path: Path) -> str:
    if number == 1:
        if line.startswith(UTF16):
            raise InputError(f"{path}: expected a text in UTF-8, but it is UTF-16. {REMEDY}")
        line = line.removeprefix(codecs.BOM_UTF8)
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, line {number}: expected a text in UTF-8, but got the byte "
            f"0x{line[error.start]:02x} behind {line[: error.start].decode()[-40:]!r}. {REMEDY}"
        ) from None


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None


@contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Names the file of what its parts complain about."""
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path}: its GZIP stream is broken ({error}). Copy it anew.") from None
    except csv.Error as error:
        raise InputError(f"{path} is no CSV file: {error}.") from None

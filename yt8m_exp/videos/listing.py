"""Which videos there are: of a table, a folder, or one file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from yt8m_exp.data import text
from yt8m_exp.spec import InputError, MissingInputError

TABLES = (".csv", ".csv.gz")
SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)
"""Of the files of a folder that are taken for videos; a table or a path may name any file."""
PATH, LABELS, ID = ("path",), ("labels", "label"), ("id",)


@dataclass(frozen=True)
class Source:
    """A video file.

    Attributes:
        id: the video's id, which no other has: the file's name without its ending, by default.
        path: where it is.
        labels: class ids or names; None where nobody has labelled it.
    """

    id: str
    path: Path
    labels: tuple[str, ...] | None = None


def read(videos: str | Path) -> list[Source]:
    """Returns the videos of a place.

    Args:
        videos: a table `path,labels[,id]` (.csv or .csv.gz), a folder, or a video file. Labels are
            separated by spaces, or by semicolons if names have spaces. Paths are relative to the
            table's folder.

    Raises:
        InputError: the table is no such table, there is no video, or two have the same id.
        MissingInputError: there is no such place.
    """
    path = Path(videos)
    if not path.exists():
        raise MissingInputError(f"There is no table, folder or video at {path}. Set videos.")
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        found = [Source(file.stem, file) for file in files]
    elif path.name.lower().endswith(TABLES):
        found = list(_of_table(path))
    else:
        found = [Source(path.stem, path)]
    if not found:
        raise InputError(
            f"{path} holds no video (a file with one of {' '.join(sorted(SUFFIXES))})."
        )
    _require_distinct(found)
    return found


def _of_table(path: Path) -> Iterator[Source]:
    rows = list(text.table(path))
    columns: tuple[int, ...] = (0, 1, 2)
    if rows and (place := text.column(rows[0][1], PATH)) is not None:
        first = rows.pop(0)[1]
        columns = (place, *(_place(text.column(first, names)) for names in (LABELS, ID)))
    for number, row in rows:
        file, labels, name = (row[n].strip() if 0 <= n < len(row) else None for n in columns)
        if not file:
            raise InputError(f"{path}, line {number}: expected `path,labels`, but got {row}.")
        where = path.parent / file
        yield Source(name or where.stem, where, None if labels is None else _labels(labels))


def _place(column: int | None) -> int:
    return -1 if column is None else column


def _labels(text: str) -> tuple[str, ...]:
    parts = text.split(";") if ";" in text else text.split()
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _require_distinct(sources: Sequence[Source]) -> None:
    seen: dict[str, Source] = {}
    for source in sources:
        if other := seen.get(source.id):
            raise InputError(
                f"Each video must have an id of its own, but {other.path} and {source.path} are "
                f"both {source.id!r}. Give a table with a third column: path,labels,id"
            )
        seen[source.id] = source

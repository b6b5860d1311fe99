"""Opens video files with PyAV, and says in a sentence what is wrong with one."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from yt8m_exp.spec import InputError, UserError

EXTRA = "uv sync --extra videos, or pip install av"


class BadVideoError(UserError):
    """A file that is no video, or that cannot be decoded."""


def require_library() -> None:
    """Refuses to go on without PyAV, which is an extra.

    Raises:
        InputError: it is not installed.
    """
    try:
        # Imported here: only what reads video files needs it.
        import av  # noqa: F401
    except ImportError:
        raise InputError(f"Video files are read by PyAV, which is not installed: {EXTRA}") from None


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Opens a video file.

    Raises:
        BadVideoError: it cannot be opened, or holds no moving pictures.
    """
    # Imported here: PyAV is an extra.
    import av

    try:
        container = av.open(str(path), metadata_errors="ignore")
    except (av.error.FFmpegError, OSError) as error:
        empty = " It has 0 bytes." if path.is_file() and not path.stat().st_size else ""
        raise BadVideoError(f"{path} cannot be opened: {reason(error)}.{empty}") from None
    with container:
        if pictures(container) is None:
            raise BadVideoError(f"{path} holds no moving pictures.")
        yield container


def pictures(container: Any) -> Any:
    """Returns the first stream of moving pictures, None without one; a cover of music is none."""
    # Imported here: PyAV is an extra.
    from av.stream import Disposition

    streams = container.streams.video
    return next((s for s in streams if not s.disposition & Disposition.attached_pic), None)


def start(container: Any) -> Fraction:
    """Returns when the pictures begin, in seconds of the file's clock."""
    stream = pictures(container)
    return (stream.start_time or 0) * stream.time_base


def reason(error: Exception) -> str:
    """Returns what libav says of a failure, without its number and file."""
    return getattr(error, "strerror", None) or str(error)


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Yields the frames of a stream without those that are damaged.

    It ends where the file breaks off: what came before is good.
    """
    # Imported here: PyAV is an extra.
    from av.error import FFmpegError

    packets = container.demux(stream)
    while True:
        try:
            frames = next(packets).decode()
        except StopIteration:
            return
        except FFmpegError as error:
            if isinstance(error, EOFError):
                return
            continue
        yield from frames

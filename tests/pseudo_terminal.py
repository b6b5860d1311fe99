"""A terminal of any width for a process, and what a person sees on it."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyte

DEADLINE_SECONDS = 120.0
LINES = 40


class Terminal:
    """The screen of a process, and its keyboard."""

    def __init__(self, descriptor: int, process: subprocess.Popen, columns: int):
        self.process, self._descriptor = process, descriptor
        self._screen = pyte.HistoryScreen(columns, LINES, history=10_000)
        self._stream = pyte.ByteStream(self._screen)

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def until(self, text: str) -> None:
        """Reads until a text is on the screen."""
        end = time.monotonic() + DEADLINE_SECONDS
        while text not in self.text:
            assert time.monotonic() < end, self.text
            assert self._read(), self.text

    def wait(self) -> int:
        """Reads until the process has ended; returns its exit status."""
        while self._read():
            pass
        return self.process.wait(DEADLINE_SECONDS)

    @property
    def lines(self) -> list[str]:
        """The lines that were printed, from the first one."""
        above = [
            "".join(line[column].data for column in range(self._screen.columns))
            for line in self._screen.history.top
        ]
        return [line.rstrip() for line in [*above, *self._screen.display]]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], DEADLINE_SECONDS)
        assert ready, self.text
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError:  # how Linux says that the process has closed it
            return False
        self._stream.feed(data)
        return bool(data)


@contextmanager
def opened(
    words: Sequence[str], *, columns: int, environment: Mapping[str, str] = {}, **options
) -> Iterator[Terminal]:
    """Starts a process in a terminal, and ends both with the block."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    clean = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        words,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**clean, "TERM": "xterm-256color", **environment},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # as a terminal's own process
        **options,
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process, columns)
    finally:
        process.kill()
        process.wait()
        os.close(ours)

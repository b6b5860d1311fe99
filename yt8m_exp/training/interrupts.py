"""Signals that stop training after the current step instead of within it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Interrupt:
    """The signal that asked this process to stop, or None."""

    signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def noted() -> Iterator[Interrupt]:
    """Notes the first signal that asks to stop; a second Ctrl-C raises KeyboardInterrupt.

    Outside the main thread no signal is noted, since Python allows no handlers there.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interrupt and number == signal.SIGINT:
            raise KeyboardInterrupt
        interrupt.signal = number

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""How a run ends: FINISHED, FAILED with its error, or KILLED by a signal."""

import logging
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import mlflow
from mlflow import MlflowClient

from yt8m_exp.spec import OutsideError, caused_by
from yt8m_exp.tracking import patience

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """A run was stopped on purpose before its end, with a checkpoint."""


SIGNALS = (signal.SIGTERM, signal.SIGHUP)
TAG_CHARACTERS = 8000


@contextmanager
def signals_raise() -> Iterator[None]:
    """Turns the first SIGTERM or SIGHUP into SystemExit(128 + signal), so that blocks clean up.

    Further ones are ignored: the terminal sends Ctrl-C to all processes, and `mlflow run` then
    sends a SIGTERM in the middle of the clean-up. Handlers that others have set stay. Outside the
    main thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = False

    def leave(number: int, frame: FrameType | None) -> None:
        nonlocal ending
        if ending and number != signal.SIGINT:
            return
        ending = True
        patience.hurry()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    defaults: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        **dict.fromkeys(SIGNALS, signal.SIG_DFL),
    }
    ours = {n: default for n, default in defaults.items() if signal.getsignal(n) == default}
    for number in ours:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, default in ours.items():
            signal.signal(number, default)


def status_of(error: BaseException) -> str:
    """Returns MLflow's status of a run that this exception ended."""
    if isinstance(error, KeyboardInterrupt | Stopped):
        return "KILLED"
    if isinstance(error, SystemExit):
        if error.code in (0, None):
            return "FINISHED"
        by_signal = error.code in [128 + number for number in (signal.SIGINT, *SIGNALS)]
        return "KILLED" if by_signal else "FAILED"
    return "FAILED"


def record(client: MlflowClient, run_id: str, error: BaseException) -> None:
    """Records how an exception ended a run; a failure to record it is logged, not raised.

    Args:
        client: A client of the tracking store.
        run_id: The run.
        error: What ended it.
    """
    status = status_of(error)
    try:
        _end(client, run_id, status)
        if status != "FINISHED":
            client.set_tag(run_id, "error", _sentence(error)[:TAG_CHARACTERS])
        if status == "FAILED":
            text = "".join(traceback.format_exception(error))
            client.log_text(run_id, text, "error.txt")
    except Exception as failure:  # the caller raises `error`
        logger.warning(
            "Run %s ended %s, but this is not recorded: %s",
            *(run_id, status, caused_by(failure, OutsideError) or failure),
        )


def _end(client: MlflowClient, run_id: str, status: str) -> None:
    # `end_run` also makes the run inactive where the server cannot be reached: MLflow ends active
    # runs at the interpreter's exit as FINISHED.
    if mlflow.active_run() is not None:
        mlflow.end_run(status)
    else:
        client.set_terminated(run_id, status)


def _sentence(error: BaseException) -> str:
    if isinstance(error, SystemExit) and status_of(error) == "KILLED":
        return f"Stopped by {signal.Signals(int(str(error.code)) - 128).name}."
    if isinstance(error, KeyboardInterrupt):
        return "Stopped by Ctrl-C (SIGINT)."
    if isinstance(error, Stopped):
        return str(error)
    return f"{type(error).__name__}: {error}"

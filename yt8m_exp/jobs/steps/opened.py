"""Opens the run of a verb as its configuration says."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.spec import OutsideError, RefusedError, UnansweredError, caused_by
from yt8m_exp.tracking import store
from yt8m_exp.tracking.runs import Run, open_run

DISK_FULL = "(sqlite3.OperationalError) database or disk is full"


@contextmanager
def opened(
    verb: str,
    cfg: DictConfig,
    *,
    name: str | None = None,
    resume: str | None = None,
    more: Mapping[str, Any] = {},
    words: Sequence[str] | None = None,
) -> Iterator[Run]:
    """Opens a new run, or continues one; see `open_run` for how it ends.

    Args:
        verb: the verb that runs.
        cfg: its configuration, with a `tracking` group.
        name: name of a new run if the configuration names none; by default the verb.
        resume: the id of a run to continue.
        more: values that the run's configuration holds beside `cfg`.
        words: the overrides that `cfg` was composed of; None: those of the command line.

    Raises:
        UnansweredError: the tracking server gives no answer; the message says how to go on.
        RefusedError: the server no longer accepts the login.
        OutsideError: the disk of the tracking database is full.
    """
    remedy = "Then start the same command again."
    command = compose.command(verb, words) + (
        f" resume={resume}" if resume and "resume" in cfg else ""
    )
    opening = open_run(
        verb,
        experiment=cfg.tracking.experiment,
        config={**compose.plain(cfg), **more},
        root=Path(cfg.tracking.runs),
        resume=resume,
        name=cfg.tracking.run_name or name or verb,
        tags={"command": command},
        system_metrics=cfg.tracking.system_metrics,
        patience_seconds=cfg.tracking.patience,
    )
    try:
        with opening as run:
            if verb == "train":
                remedy = f"The work is safe in {run.directory}; resume={run.id} logs the rest."
            yield run
    except Exception as error:
        if unanswered := caused_by(error, UnansweredError):
            raise UnansweredError(f"{unanswered} Wait until it does. {remedy}") from error
        if refused := caused_by(error, RefusedError):
            raise RefusedError(f"{refused} {remedy}") from error
        if DISK_FULL in str(error):
            raise OutsideError(
                f"The disk of {store.tracking_uri()} is full. Make room. {remedy}"
            ) from error
        raise

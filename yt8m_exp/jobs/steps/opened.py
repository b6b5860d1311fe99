"""Opens the run of a verb as its configuration says."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.tracking.runs import Run, open_run


@contextmanager
def opened(
    verb: str,
    cfg: DictConfig,
    *,
    name: str | None = None,
    resume: str | None = None,
    more: Mapping[str, Any] = {},
) -> Iterator[Run]:
    """Opens a new run, or continues one; see `open_run` for how it ends.

    Args:
        verb: the verb that runs.
        cfg: its configuration, with a `tracking` group.
        name: name of a new run if the configuration names none; by default the verb.
        resume: the id of a run to continue.
        more: values that the run's configuration holds beside `cfg`.
    """
    with open_run(
        verb,
        experiment=cfg.tracking.experiment,
        config={**compose.plain(cfg), **more},
        root=Path(cfg.tracking.runs),
        resume=resume,
        name=cfg.tracking.run_name or name or verb,
        system_metrics=cfg.tracking.system_metrics,
    ) as run:
        yield run

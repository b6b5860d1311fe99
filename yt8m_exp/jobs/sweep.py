"""Tunes a model: trials of a study in parallel slots, until the study's total is reached."""

import math
import warnings
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig

from yt8m_exp.config import compose, schema, targets
from yt8m_exp.config.overrides import override
from yt8m_exp.data import shards
from yt8m_exp.data.manifest import Manifest, Remedy
from yt8m_exp.jobs.steps import sources
from yt8m_exp.jobs.steps.studies import study as study_runs
from yt8m_exp.jobs.steps.studies import study_file
from yt8m_exp.spec import InputError, OutsideError
from yt8m_exp.terminal import board
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking.trials import TrialRun
from yt8m_exp.training import interrupts
from yt8m_exp.training.interrupts import Interrupt
from yt8m_exp.tuning.definition import Definition
from yt8m_exp.tuning.driver import Budget, Driver
from yt8m_exp.tuning.leases import Leases
from yt8m_exp.tuning.pruning import Pruning
from yt8m_exp.tuning.space import Space
from yt8m_exp.tuning.status import COLUMNS, PARAMETERS, Status
from yt8m_exp.tuning.storage import Storage, open_storage
from yt8m_exp.tuning.study import Study, Trials, open_study

SKIP = """'fixed=["data.on_bad_record=skip"]'"""
TRIAL = "yt8m_exp.jobs.steps.trial:run"
HOUR_SECONDS = 3600.0


def run(cfg: DictConfig, *, work: str = TRIAL) -> Summary:
    """Works on a study as a configuration of `conf/sweep.yaml` says.

    Args:
        cfg: the configuration.
        work: the function that a trial's process calls, as `module:name`; see `trial`.

    Returns:
        The study's run, its name, its best trial, and how many trials it has by state.

    Raises:
        InputError: the study's file is wrong, or the stored study of this name is a different one.
        MissingInputError: there is no such file, or a pattern matches no shard.
        OutsideError: too many trials failed.
        SystemExit: a signal stopped it; trials keep their checkpoints, and the same command
            continues the study.
    """
    definition = study_file.read(cfg.sweep, compose.plain(cfg))
    space = definition.search_space(partial(_settings, definition))
    trained = compose.compose("train", definition.overrides)
    _require_values(trained, space)
    with ExitStack() as stack:
        storage = stack.enter_context(closing(open_storage(cfg.storage)))
        data = _scanned(trained)
        launcher = targets.build("launcher", cfg.launcher, slots=cfg.slots)
        study = _study(cfg, definition, storage, space.default(), data)
        leases = Leases(study, Path(cfg.tracking.runs) / "drivers")
        stack.enter_context(leases.renewed())
        tracked = stack.enter_context(study_runs.opened(cfg, definition, storage, study))
        trials = Trials(storage, study, leases, definition.trials, definition.retries)
        every = trained.evaluate_every or data[0].records
        pruning = Pruning(study, definition, space, every)
        runs = study_runs.trial_runs(cfg, study, tracked)
        title = f"Study {definition.name}: {definition.trials} trials"
        with interrupts.noted() as interrupt, board.shown(title, COLUMNS, wraps=PARAMETERS) as show:
            driver = Driver(
                *(space, trials, pruning, launcher, runs),
                task=partial(_task, cfg, definition, work),
                ended=partial(study_runs.log_progress, tracked, study),
                budget=_budget(definition),
                stopping=lambda: bool(interrupt),
                show=Status(trials, partial(_examples, space, data[0].records), show).show,
            )
            driver.run()
        summary = study_runs.close(cfg, definition, study, tracked, runs)
        _require_finished(driver, definition, interrupt)
        return summary


def _task(
    cfg: DictConfig, definition: Definition, work: str, run: TrialRun, params: Mapping[str, Any]
) -> dict[str, Any]:
    words = [*_shared_overrides(cfg), *_overrides(definition, params)]
    return study_runs.task(work, words, run)


def _examples(space: Space, records: int, params: Mapping[str, Any]) -> float:
    """Returns how many examples a trial with these parameters trains on."""
    return space.lookup(params)("epochs") * records


def _require_finished(driver: Driver, definition: Definition, interrupt: Interrupt) -> None:
    """Raises SystemExit where a signal stopped the session, OutsideError where failures did."""
    if interrupt:
        raise SystemExit(128 + (interrupt.signal or 0))
    if len(driver.failures) >= definition.max_failures:
        raise OutsideError(driver.why)


def _shared_overrides(cfg: DictConfig) -> list[str]:
    """Returns the overrides that a trial takes from the study's configuration."""
    return [
        override("tracking.experiment", cfg.tracking.experiment),
        override("tracking.runs", cfg.tracking.runs),
        "tracking.system_metrics=false",  # the study's run logs those of the machine
        "figures=false",
    ]


def _overrides(definition: Definition, params: Mapping[str, Any]) -> list[str]:
    return [*definition.overrides, *(override(*item) for item in params.items())]


def _settings(definition: Definition, params: Mapping[str, Any]) -> dict[str, Any]:
    return compose.settings("train", _overrides(definition, params))


def _require_values(trained: DictConfig, space: Space) -> None:
    """Refuses what no trial could be configured with."""
    schema.check("train", compose.plain(trained))
    for parameter in space.parameters:
        for value in parameter.extremes:
            schema.check_value("train", parameter.key, value)


def _scanned(trained: DictConfig) -> tuple[Manifest, Manifest]:
    """Checks the shards once; trials use the cached result.

    A study accepts no other data than it began with, so their digest must be exact.
    """
    train, validate = (
        shards.scan(**sources.arguments(trained, context) | {"remedy": Remedy(context, SKIP)})
        for context in sources.CONTEXTS
    )
    return _exact(train), _exact(validate)


def _exact(manifest: Manifest) -> Manifest:
    if not manifest.is_exact:
        shards.read(manifest)
        for shard in manifest.shards:
            manifest.require(shard)
    return replace(manifest)  # with the digest of all bytes


def _study(
    cfg: DictConfig,
    definition: Definition,
    storage: Storage,
    first: Mapping[str, Any],
    data: tuple[Manifest, Manifest],
) -> Study:
    def sampler(session: int) -> Any:
        given = definition.sampler or {}
        seeded = {"seed": given["seed"] + session} if given.get("seed") is not None else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that parts of Optuna are experimental
            return _built("sampler", definition.sampler, **seeded)

    return open_study(
        storage,
        definition,
        data={"train": data[0].digest, "validate": data[1].digest},
        first=first,
        sampler=sampler,
        pruner=_built("pruner", definition.pruner),
        accept_changes=cfg.accept_changes,
    )


def _built(field: str, entry: Mapping[str, Any] | None, **more: Any) -> Any:
    """Builds what a field of a study's file names."""
    try:
        return targets.build(field, entry, **more)
    except (HydraException, ValueError, TypeError) as error:
        raise InputError(
            f"`{field}` cannot be made of {entry}: {' '.join(str(error).split())}"
        ) from error


def _budget(definition: Definition) -> Budget:
    return Budget(
        definition.max_failures,
        seconds=(definition.hours or math.inf) * HOUR_SECONDS,
        trial_seconds=(definition.trial_hours or math.inf) * HOUR_SECONDS,
    )

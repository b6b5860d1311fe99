"""Tunes a model: trials of a study in parallel slots, until the study's total is reached."""

import math
import warnings
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from yt8m_exp.config import compose
from yt8m_exp.config.overrides import override
from yt8m_exp.data import shards
from yt8m_exp.data.manifest import Manifest, Remedy
from yt8m_exp.jobs import sources
from yt8m_exp.jobs import study as study_runs
from yt8m_exp.spec import InputError, MissingInputError, OutsideError
from yt8m_exp.terminal import board
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking.trials import TrialRun
from yt8m_exp.training import interrupts
from yt8m_exp.tuning.definition import Definition
from yt8m_exp.tuning.driver import Budget, Driver
from yt8m_exp.tuning.leases import Leases
from yt8m_exp.tuning.pruning import Pruning
from yt8m_exp.tuning.status import COLUMNS, Status
from yt8m_exp.tuning.storage import Storage, open_storage
from yt8m_exp.tuning.study import Study, Trials, open_study

FOLDER = Path(__file__).parents[2] / "sweeps"
SKIP = """'fixed=["data.on_bad_record=skip"]'"""
TRIAL = "yt8m_exp.jobs.trial:run"
HOUR_SECONDS = 3600.0


def run(cfg: DictConfig, *, work: str = TRIAL) -> Summary:
    """Works on a study as a configuration of `conf/sweep.yaml` says.

    Args:
        cfg: the configuration.
        work: the function that a trial's process calls, as `module:name`; see `trial`.

    Returns:
        The study's run, its name, its best trial, and how many trials it has by state.

    Raises:
        InputError: the study's file is wrong, or the study that is there is another.
        MissingInputError: there is no such file, or a pattern matches no shard.
        OutsideError: too many trials failed.
        SystemExit: a signal stopped it; trials have their checkpoints, and the study goes on from
            there.
    """
    definition = _definition(cfg)
    settings = partial(_settings, definition)
    space = definition.search_space(settings)
    data = _scanned(definition)
    launcher = instantiate(cfg.launcher, slots=cfg.slots)
    with ExitStack() as stack:
        storage = stack.enter_context(closing(open_storage(cfg.storage)))
        study = _study(cfg, definition, storage, space.default(), data)
        leases = Leases(study)
        stack.enter_context(leases.renewed())
        tracked = stack.enter_context(study_runs.opened(cfg, definition, storage, study))
        trials = Trials(storage, study, leases, definition.trials, definition.retries)
        every = settings({})["evaluate_every"] or data[0].records
        pruning = Pruning(study, definition, space, every)
        runs = study_runs.trial_runs(cfg, study)

        def task(run: TrialRun, params: Mapping[str, Any]) -> dict[str, Any]:
            words = [*_shared_overrides(cfg), *_overrides(definition, params)]
            return study_runs.task(work, words, run)

        def plan(params: Mapping[str, Any]) -> float:
            return space.lookup(params)("epochs") * data[0].records

        title = f"Study {definition.name}: {definition.trials} trials"
        with interrupts.noted() as interrupt, board.shown(title, COLUMNS) as show:
            driver = Driver(
                *(space, trials, pruning, launcher, runs),
                task=task,
                ended=lambda: study_runs.log_progress(tracked, study),
                budget=_budget(definition),
                stopping=lambda: bool(interrupt),
                show=Status(trials, plan, show).show,
            )
            driver.run()
        summary = study_runs.close(cfg, definition, study, tracked, runs)
        if interrupt:
            raise SystemExit(128 + (interrupt.signal or 0))
        if len(driver.failures) >= definition.max_failures:
            raise OutsideError(driver.why)
        return summary


def _definition(cfg: DictConfig) -> Definition:
    """Reads the study's file, with what the command line adds."""
    path = Path(cfg.sweep) if Path(cfg.sweep).suffix else FOLDER / f"{cfg.sweep}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
        raise MissingInputError(f"There is no study '{cfg.sweep}'. Take {names}, or a file.")
    entries: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    if not isinstance(entries, dict):
        raise InputError(f"{path} must hold the fields of a study by name.")
    given = compose.plain(cfg)
    added = [
        override(f"data.{name}", given[name])
        for name in ("train", "validate")
        if cfg[name] is not None
    ]
    entries["overrides"] = [*(entries.get("overrides") or ()), *added, *cfg.fixed]
    entries |= {key: cfg[key] for key in ("trials", "name") if cfg[key] is not None}
    return Definition.parse(entries)


def _shared_overrides(cfg: DictConfig) -> list[str]:
    """Returns the overrides that a trial takes from the study's configuration."""
    return [
        override("tracking.experiment", cfg.tracking.experiment),
        override("tracking.runs", cfg.tracking.runs),
        "tracking.system_metrics=false",  # the study's run has those of the machine
        "figures=false",
    ]


def _overrides(definition: Definition, params: Mapping[str, Any]) -> list[str]:
    return [*definition.overrides, *(override(*item) for item in params.items())]


def _settings(definition: Definition, params: Mapping[str, Any]) -> dict[str, Any]:
    return compose.settings("train", _overrides(definition, params))


def _scanned(definition: Definition) -> tuple[Manifest, Manifest]:
    """Checks the shards once; trials find them checked.

    A study is refused other data than it began with, so that their digest must be exact.
    """
    cfg = compose.compose("train", definition.overrides)
    train, validate = (
        shards.scan(**sources.arguments(cfg, context) | {"remedy": Remedy(context, SKIP)})
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
            warnings.simplefilter("ignore")  # parts of Optuna that are called experimental
            return instantiate(definition.sampler, **seeded)

    return open_study(
        storage,
        definition,
        data={"train": data[0].digest, "validate": data[1].digest},
        first=first,
        sampler=sampler,
        pruner=instantiate(definition.pruner),
        accept_changes=cfg.accept_changes,
    )


def _budget(definition: Definition) -> Budget:
    return Budget(
        definition.max_failures,
        seconds=(definition.hours or math.inf) * HOUR_SECONDS,
        trial_seconds=(definition.trial_hours or math.inf) * HOUR_SECONDS,
    )

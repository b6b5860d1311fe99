"""Tunes a model: trials of a study in parallel slots, until the study's total is reached."""

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command, recipe, study_run

if TYPE_CHECKING:
    from yt8m_exp.data.shards import Manifest
    from yt8m_exp.tuning.definition import Definition
    from yt8m_exp.tuning.driver import Budget
    from yt8m_exp.tuning.storage import Storage
    from yt8m_exp.tuning.study import Study

logger = logging.getLogger(__name__)

SKIP = """'fixed=["data.on_bad_record=skip"]'"""

FOLDER = Path(__file__).parents[1] / "sweeps"
HOUR_SECONDS = 3600.0


def run(cfg: DictConfig, *, work: str = "yt8m_exp.sweep:trial") -> dict[str, Any]:
    """Works on a study as a configuration of `conf/sweep.yaml` says.

    Args:
        cfg: the configuration.
        work: the function that a trial's process calls, as `module:name`; see `trial`.

    Returns:
        The study's run, its name, its best trial, and how many trials it has by state.

    Raises:
        ValueError: the study's file is wrong, or the study that is there is another.
        FileNotFoundError: there is no such file, or a pattern matches no shard.
        RuntimeError: too many trials failed.
        SystemExit: a signal stopped it; trials have their checkpoints, and the study goes on from
            there.
    """
    from yt8m_exp.terminal import board
    from yt8m_exp.training import interrupts
    from yt8m_exp.tuning.driver import Driver
    from yt8m_exp.tuning.judge import Judge
    from yt8m_exp.tuning.leases import Leases
    from yt8m_exp.tuning.status import COLUMNS, Status
    from yt8m_exp.tuning.storage import open_storage
    from yt8m_exp.tuning.study import Trials

    definition = _definition(cfg)
    settings = partial(_settings, definition)
    space = definition.searched(settings)
    data = _scanned(definition)
    launcher = instantiate(cfg.launcher, slots=cfg.slots)
    with ExitStack() as stack:
        storage = stack.enter_context(closing(open_storage(cfg.storage)))
        study = _study(cfg, definition, storage, space.default(), data)
        leases = Leases(study)
        stack.enter_context(leases.renewed())
        tracked = stack.enter_context(study_run.opened(cfg, definition, storage, study))
        trials = Trials(storage, study, leases, definition.trials, definition.retries)
        judge = Judge(study, definition, space, settings({})["evaluate_every"] or data[0].records)
        runs = study_run.children(cfg, study, tracked, partial(_words, definition), work)

        def plan(params: Mapping[str, Any]) -> float:
            return space.lookup(params)("epochs") * data[0].records

        title = f"Study {definition.name}: {definition.trials} trials"
        with interrupts.noted() as interrupt, board.shown(title, COLUMNS) as show:
            driver = Driver(
                *(space, trials, judge, launcher, runs),
                budget=_budget(definition),
                stopping=lambda: bool(interrupt),
                show=Status(trials, plan, show).show,
            )
            driver.run()
        result = study_run.close(cfg, definition, study, tracked, runs)
        if interrupt:
            raise SystemExit(128 + (interrupt.signal or 0))
        if len(driver.failures) >= definition.max_failures:
            raise RuntimeError(driver.why)
        return result


def trial(overrides: Sequence[str], reported: Callable[..., bool]) -> dict[str, Any]:
    """Trains as the overrides of a trial say; this is what its process works on."""
    from yt8m_exp import train

    return train.run(command.compose("train", overrides), reported=reported)


def _definition(cfg: DictConfig) -> "Definition":
    """Reads the study's file, with what the command line adds."""
    from yt8m_exp.tuning.definition import Definition

    path = Path(cfg.sweep) if Path(cfg.sweep).suffix else FOLDER / f"{cfg.sweep}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
        raise FileNotFoundError(f"There is no study '{cfg.sweep}'. Take {names}, or a file.")
    entries: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    if not isinstance(entries, dict):
        raise ValueError(f"{path} must hold the fields of a study by name.")
    given = OmegaConf.to_object(cfg)
    added = [
        command.override(f"data.{name}", given[name])  # type: ignore[index, call-overload]
        for name in ("train", "validate")
        if cfg[name] is not None
    ]
    entries["overrides"] = [*(entries.get("overrides") or ()), *added, *cfg.fixed]
    entries |= {key: cfg[key] for key in ("trials", "name") if cfg[key] is not None}
    return Definition.parse(entries)


def _words(definition: "Definition", params: Mapping[str, Any]) -> list[str]:
    return [*definition.overrides, *(command.override(*item) for item in params.items())]


def _settings(definition: "Definition", params: Mapping[str, Any]) -> dict[str, Any]:
    return command.settings("train", _words(definition, params))


def _scanned(definition: "Definition") -> tuple["Manifest", "Manifest"]:
    """Checks the shards once; trials find them checked."""
    from yt8m_exp.data import shards

    cfg = command.compose("train", definition.overrides)
    train, validate = (
        shards.scan(**recipe.shards(cfg, context) | {"remedy": shards.Remedy(context, SKIP)})
        for context in ("train", "validate")
    )
    return train, validate


def _study(
    cfg: DictConfig,
    definition: "Definition",
    storage: "Storage",
    first: Mapping[str, Any],
    data: tuple["Manifest", "Manifest"],
) -> "Study":
    from yt8m_exp.tuning.study import open_study

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


def _budget(definition: "Definition") -> "Budget":
    from yt8m_exp.tuning.driver import Budget

    return Budget(
        definition.max_failures,
        seconds=(definition.hours or math.inf) * HOUR_SECONDS,
        trial_seconds=(definition.trial_hours or math.inf) * HOUR_SECONDS,
    )


if __name__ == "__main__":
    command.run("sweep", run)

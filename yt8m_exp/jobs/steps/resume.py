"""The configuration of a run that is resumed."""

import json
from typing import Any

from omegaconf import DictConfig, OmegaConf

from yt8m_exp.config import compose, targets
from yt8m_exp.jobs.steps import sources
from yt8m_exp.spec import InputError
from yt8m_exp.terminal.redaction import MASK
from yt8m_exp.tracking import configuration, datasets

READING = {"cache", "check_bytes", "packed", "balance"}
ORDER = (
    "seed",
    "data.shuffle_bytes",
    "data.balance",
)  # the keys that determine the order of the videos


def resumed(cfg: DictConfig) -> DictConfig:
    """Returns the configuration of the run to resume, with the changes of this command line.

    Raises:
        InputError: the keys of the model have changed since, the command line asks for another
            model, group or order of the videos, or the data have changed.
        MissingInputError: a pattern matches no shard.
    """
    before = configuration_of(cfg.resume)
    require_known_keys(cfg.resume, before.model)
    _require_same_choices(cfg, before)
    resumed = before.copy()
    for key in READING - set(before.data):  # of a run from before they were there
        compose.update(resumed, f"data.{key}", compose.plain(cfg.data)[key])
    for key, value in compose.changes("train", cfg).items():
        compose.update(resumed, key, value)
    _require_no_masks(resumed)
    if resumed.model != before.model:
        raise InputError(
            f"A run must go on with the model it began with, {before.model}, but the command line "
            f"asks for {resumed.model}. Start a new run for another model."
        )
    for key in ORDER:
        now, then = OmegaConf.select(resumed, key), OmegaConf.select(before, key)
        if now != then:
            raise InputError(
                f"A run must go on in the order of videos it began with ({key}={then}), but the "
                f"command line asks for {key}={now}: some would be seen twice in an epoch and "
                f"others not at all. Leave {key} out, or start a new run."
            )
    for context, manifest in zip(sources.CONTEXTS, sources.scanned(resumed), strict=True):
        datasets.require_same(cfg.resume, manifest, context=context)  # before the run is opened
    return resumed


def configuration_of(run_id: str) -> DictConfig:
    """Returns the configuration of a training, of today or from before files moved."""
    cfg = compose.from_plain(configuration.read_config(run_id))
    cfg.model._target_ = targets.today(cfg.model._target_)
    defaults = compose.plain(compose.compose("train"))
    for key in defaults.keys() - cfg.keys():  # which were not there yet
        compose.update(cfg, key, defaults[key])
    return cfg


def _require_no_masks(cfg: DictConfig) -> None:
    """Refuses a configuration in which a secret was left out and is not given anew."""
    for key, value in compose.leaves(compose.plain(cfg)).items():
        if MASK in json.dumps(value):
            raise InputError(
                f"`{key}` held a secret, which the run does not keep: {value!r}. Give it again: "
                f"{key}=... (SECURITY.md)"
            )


def require_known_keys(run_id: str, model: DictConfig) -> None:
    """Refuses a run whose model was configured by keys that its builder does not take today."""
    if not model._target_.startswith(f"{targets.OURS['model']}."):
        return  # a model of one's own, whose keys only its builder knows
    name = model._target_.split(".")[-2]
    known = compose.compose("train", [f"model={name}"]).model
    if set(model) != set(known):
        raise InputError(
            f"The run {run_id} cannot be resumed, as the keys of model={name} have changed since "
            f"({', '.join(model)} then, {', '.join(known)} now); start_from={run_id} starts a new "
            "run from its weights."
        )


def _require_same_choices(cfg: DictConfig, before: DictConfig) -> None:
    for group, key in ("model", "model._target_"), ("data", "data.level"):
        now: Any = OmegaConf.select(cfg, key)
        then: Any = OmegaConf.select(before, key)
        if group in compose.given() and now != then:
            raise InputError(
                f"A run must go on with the {group} it began with ({then}), but the command line "
                f"asks for {now}. Leave {group} out, or start a new run."
            )

"""Composes the configuration of a verb from `conf/`, and finds what a command line changes."""

import shlex
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from yt8m_exp import spec
from yt8m_exp.config import groups
from yt8m_exp.config.overrides import escaped
from yt8m_exp.data import vocabulary
from yt8m_exp.spec import InputError

CONF = str(groups.CONF)
VERSION_BASE = "1.3"
WITHOUT_HYDRA = [
    f"~hydra/{group}" for group, choice in ChainMap(*HydraConf().defaults).items() if choice
]
"""Leaves out files of Hydra's own that only `hydra.main` uses: a quarter of the time to compose."""
MISSING = "???"
"""The value of a key that must be given."""
ELSEWHERE = ("tracking.", "resume=", "register=", "figures=")
"""Overrides that do not change what is computed."""
CHOICES = ("model", "data")
"""Groups whose choice is no change by itself: values are compared with the choice's defaults."""


def register_resolvers() -> None:
    """Lets configurations use `spec`: `${spec:CLASSES}`, `${shipped:sample/x}`, `${kept:runs}`.

    `${classes_of:<vocabulary>}` is how many classes a vocabulary has.
    """
    OmegaConf.register_new_resolver("spec", lambda name: getattr(spec, name), replace=True)
    OmegaConf.register_new_resolver("shipped", spec.shipped, replace=True)
    OmegaConf.register_new_resolver("kept", spec.kept, replace=True)
    OmegaConf.register_new_resolver("classes_of", _classes_of, replace=True)


def _classes_of(path: str) -> int:
    """Returns how many classes a vocabulary has; what is not there is refused when it is read."""
    return vocabulary.size(path) if Path(path).is_file() else spec.CLASSES


def compose(verb: str, overrides: Sequence[str] = (), *, choices: bool = False) -> DictConfig:
    """Composes the configuration of a verb as its command line does.

    Args:
        verb: the name of its file in `conf/`.
        overrides: as on the command line.
        choices: whether to include Hydra's own configuration, with the choice of each group.
    """
    register_resolvers()
    words = [*groups.to_hydra(overrides), *WITHOUT_HYDRA]
    if GlobalHydra.instance().is_initialized():
        return hydra.compose(verb, words, return_hydra_config=choices)
    with hydra.initialize_config_dir(CONF, version_base=VERSION_BASE):
        return hydra.compose(verb, words, return_hydra_config=choices)


@contextmanager
def of_process(verb: str, overrides: Sequence[str]) -> Iterator[DictConfig]:
    """Composes the configuration of this process, of whose overrides `given` and `command` tell.

    It is that of `hydra.main`, which composes it twice: at first only to find its mode.
    """
    known = HydraConfig.instance()
    before = known.cfg
    with hydra.initialize_config_dir(CONF, version_base=VERSION_BASE):
        cfg = compose(verb, overrides, choices=True)
        known.set_config(cfg)
        try:
            yield _without_hydra(cfg)
        finally:
            known.cfg = before


def settings(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Composes the configuration of a verb; returns its values by dotted key.

    The choice of a group stands under the group's name: `model` beside `model.dropout`.

    Raises:
        InputError: an override does not fit this configuration.
    """
    try:
        values, choices = chosen(verb, overrides)
    except HydraException as error:
        raise InputError(f"{' '.join(str(error).split())} (overrides: {list(overrides)})") from None
    return {groups.from_hydra(key): value for key, value in choices.items()} | values


def chosen(verb: str, overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Composes the configuration of a verb.

    Returns:
        Its values by dotted key, and the choice of each group by its key in Hydra's spelling.
    """
    cfg = compose(verb, overrides, choices=True)
    choices = {key: value for key, value in cfg.hydra.runtime.choices.items() if "/" not in key}
    return leaves(plain(_without_hydra(cfg))), choices


def _without_hydra(cfg: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Returns a configuration as plain data, every interpolation resolved; `???` stays."""
    with _refused():
        return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def require_complete(cfg: DictConfig) -> None:
    """Raises InputError if a mandatory value is missing."""
    with _refused():
        missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise InputError(f"{missing[0]} must be given: {missing[0]}=...")


def from_plain(values: Mapping[str, Any]) -> DictConfig:
    """Returns plain data as a configuration, in which text stays text, even if it holds `${`."""
    return OmegaConf.create(_escaped(values))


def update(cfg: DictConfig, key: str, value: Any) -> None:
    """Sets a dotted key of a configuration to plain data."""
    OmegaConf.update(cfg, key, _escaped(value), merge=False, force_add=True)


def changes(verb: str, cfg: DictConfig) -> dict[str, Any]:
    """Returns what the command line names, and what differs from the defaults, by dotted key.

    A group with a `_target_` is returned whole if it was named or if its `_target_` differs.

    Args:
        verb: the name of its file in `conf/`.
        cfg: the configuration that was composed for this command line.
    """
    words = _words()
    before = leaves(plain(compose(verb, [w for w in words if w.partition("=")[0] in CHOICES])))
    values, named = plain(cfg), given()
    after = leaves(values)
    targets = {key.removesuffix("._target_") for key in after if key.endswith("._target_")}
    whole = {
        group
        for group in targets
        if (group in named and group not in CHOICES)
        or after[f"{group}._target_"] != before.get(f"{group}._target_")
    }
    single = {k: v for k, v in after.items() if k in named or before.get(k, ...) != v}
    changed = {group: select(values, group) for group in whole} | single
    inside = tuple(f"{group}." for group in whole)
    return {key: value for key, value in changed.items() if not key.startswith(inside)}


def given() -> set[str]:
    """Returns the keys and groups that the command line names."""
    return {groups.from_hydra(word.lstrip("+").partition("=")[0]) for word in _words()}


def command(verb: str, words: Sequence[str] | None = None) -> str:
    """Returns the command that runs a verb with overrides, by default with those of this process.

    Where a run is logged is left out.
    """
    kept = [word for word in typed(words) if not word.startswith(ELSEWHERE)]
    return shlex.join(["yt8m", verb, *kept])


def typed(words: Sequence[str] | None = None) -> list[str]:
    """Returns overrides, by default those of this process, with the keys that people type."""
    return [_as_typed(word) for word in (_words() if words is None else words)]


def _as_typed(word: str) -> str:
    key, equals, value = word.partition("=")
    return groups.from_hydra(key) + equals + value


def select(values: Mapping[str, Any], key: str) -> Any:
    """Returns the value of a dotted key; raises KeyError if there is none."""
    for part in key.split("."):
        if not isinstance(values, Mapping):
            raise KeyError(key)
        values = values[part]
    return values


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested values by dotted key; an empty mapping is a value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping) and value
        found |= leaves(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return found


@contextmanager
def _refused() -> Iterator[None]:
    """Makes a user's mistake of an interpolation that cannot be resolved."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise InputError(" ".join(str(error).split())) from None


def _words() -> list[str]:
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def _escaped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(inner) for inner in value]
    return escaped(value) if isinstance(value, str) else value

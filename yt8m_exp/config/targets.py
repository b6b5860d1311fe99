"""What a `_target_` may name: configurations and studies choose among parts, and run no other code.

Of our own files and of the modules in `YT8M_TARGETS`, that is a function or class defined in them;
of Keras and Optuna, a class of their public interface. A study's file, an override, and the
configuration of somebody else's run may come from strangers.
"""

import ast
import importlib.util
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.utils import instantiate

from yt8m_exp.spec import InputError

VARIABLE = "YT8M_TARGETS"
"""Names modules and packages of one's own, separated by commas."""
OURS = {
    "model": "yt8m_exp.models",
    "loss": "yt8m_exp.training.losses",
    "optimizer": "yt8m_exp.training.optimizers",
    "schedule": "yt8m_exp.training.schedules",
    "launcher": "yt8m_exp.tuning.launchers",
}
LIBRARIES = {
    "optimizer": "keras.optimizers",
    "sampler": "optuna.samplers",
    "pruner": "optuna.pruners",
}
CLASSES_ONLY = {"launcher"}  # whose functions start what they are told
PRELOADED = ("yt8m_exp", "mlflow", "keras", "tensorflow", "matplotlib")
PUBLIC_CLASS = re.compile(r"[A-Z]\w*")


def build(group: str, entry: Any, **arguments: Any) -> Any:
    """Builds what an entry of a group names by its `_target_`.

    Raises:
        InputError: the group must not name such a target.
    """
    require(group, entry)
    return instantiate(entry, **arguments)


def today(target: str) -> str:
    """Returns where a target lies today: models once lay in one folder."""
    module, _, name = target.rpartition(".")
    package, _, model = module.rpartition(".")
    moved = (f"{package}.{level}.{model}" for level in ("video_level", "frame_level"))
    found = (there for there in moved if package == OURS["model"] and _defines(there, name))
    return f"{next(found, module)}.{name}"


def require(group: str, entry: Any) -> None:
    """Refuses an entry of a group with a `_target_`, at any depth, that it must not name.

    Args:
        group: `model`, `loss`, `optimizer`, `schedule`, `launcher`, `sampler` or `pruner`.
        entry: its configuration.

    Raises:
        InputError: the first such target.
    """
    for key, value in _targets(entry):
        if key == "preload":
            _require_modules(value)
        else:
            require_target(group, value)


def require_all(values: Mapping[str, Any]) -> None:
    """Refuses a configuration in which a group names by `_target_` what it must not name."""
    for group, entry in values.items():
        require(group, entry)


def require_target(group: str, target: Any) -> None:
    """Refuses a target that a group must not name; see `require`."""
    module, _, name = str(target).rpartition(".")
    is_class = PUBLIC_CLASS.fullmatch(name) is not None
    ours = OURS.get(group)
    if ours and _is_within(module, [ours]) and (is_class or group not in CLASSES_ONLY):
        found = _defines(module, name)
    elif module == LIBRARIES.get(group):
        found = is_class
    else:
        found = _is_within(module, _trusted()) and _defines(module, name)
    if not found:
        raise InputError(
            f"The _target_ of `{group}` must be {_allowed(group)}, but got {target!r}. For code of "
            f"your own, set {VARIABLE} to its module (SECURITY.md)."
        )


def trusted() -> dict[str, str]:
    """Returns the variable that names trusted modules, if it is set, for a trial's process."""
    return {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}


def _allowed(group: str) -> str:
    ours, library = OURS.get(group), LIBRARIES.get(group)
    known = [f"a function or class of {ours}"] if ours else []
    known += [f"a class of {library}"] if library else []
    return " or ".join(known) or "absent"


def _require_modules(names: Any) -> None:
    """Refuses modules to import that are not ours, and are not trusted."""
    for name in [names] if isinstance(names, str) or not isinstance(names, Sequence) else names:
        if not _is_within(str(name), [*PRELOADED, *_trusted()]):
            raise InputError(
                f"`preload` may name modules of {', '.join(PRELOADED)} and of {VARIABLE}, but got "
                f"{name!r}."
            )


def _targets(entry: Any) -> Iterator[tuple[str, Any]]:
    """Yields what names code, by its key."""
    if isinstance(entry, Mapping):
        for key, value in entry.items():
            if key in ("_target_", "preload"):
                yield key, value
            else:
                yield from _targets(value)
    elif isinstance(entry, Sequence) and not isinstance(entry, str):
        for value in entry:
            yield from _targets(value)


def _trusted() -> list[str]:
    names = os.environ.get(VARIABLE, "").split(",")
    return [name.strip() for name in names if name.strip()]


def _is_within(module: str, packages: list[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _defines(module: str, name: str) -> bool:
    """Tells whether the file of a module defines a public name; nothing is imported."""
    kinds = ast.FunctionDef | ast.ClassDef
    return name[:1] != "_" and any(
        isinstance(node, kinds) and node.name == name
        for file in _files(module)
        if file.is_file()
        for node in ast.parse(file.read_bytes()).body
    )


def _files(module: str) -> Iterator[Path]:
    """Yields where the file of a module may lie."""
    top, *parts = module.split(".")
    found = importlib.util.find_spec(top)  # of a name without a dot, which imports nothing
    for folder in (found and found.submodule_search_locations) or []:
        path = Path(folder, *parts)
        yield from (path.with_suffix(".py"), path / "__init__.py") if parts else ()
    if found and found.origin and not parts:
        yield Path(found.origin)

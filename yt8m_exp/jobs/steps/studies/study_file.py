"""Reads a study's file, with what the command line of a sweep adds."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from yt8m_exp.config import studies
from yt8m_exp.config.overrides import override, require_no_hydra
from yt8m_exp.data import text
from yt8m_exp.spec import InputError
from yt8m_exp.tuning.definition import Definition


def read(name: str, given: Mapping[str, Any]) -> Definition:
    """Reads a study's file.

    Args:
        name: of a file in `sweeps/`, or a path.
        given: the configuration of `conf/sweep.yaml`.

    Raises:
        InputError: it is no YAML, or a field is unknown, missing, or not what it can be.
        MissingInputError: there is no such file.
    """
    entries = _entries(studies.path_of(name))
    added = [
        override(f"data.{name}", given[name])
        for name in ("train", "validate")
        if given[name] is not None
    ]
    entries["overrides"] = [*(entries.get("overrides") or ()), *added, *given["fixed"]]
    require_no_hydra(entries["overrides"])
    entries |= {key: given[key] for key in ("trials", "name") if given[key] is not None}
    return Definition.parse(entries)


def _entries(path: Path) -> dict[str, Any]:
    written = "".join(text.lines(path))
    try:
        content = OmegaConf.load(io.StringIO(written))
        studies.require_plain(OmegaConf.to_container(content, resolve=False))
        entries: Any = OmegaConf.to_container(content, resolve=True)
        studies.require_plain(entries)
        if isinstance(entries, dict):
            studies.check(entries)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (YAMLError, OmegaConfBaseException, RecursionError, ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(entries, dict):
        raise InputError(f"{path} must hold the fields of a study by name.")
    return entries

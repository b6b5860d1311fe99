"""The composed configuration of a run, as parameters and as a file."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.artifacts import load_text
from mlflow.entities import Param, Run
from mlflow.exceptions import MlflowException

from yt8m_exp.spec import InputError
from yt8m_exp.terminal.redaction import redacted
from yt8m_exp.tracking import store

PREFIX = "cfg."
"""Keeps our parameters apart from those of `mlflow run`, since MLflow allows no change of one."""
PARAM_CHARACTERS = 6000
TAG_CHARACTERS = 8000
BATCH_PARAMS = 100
NUMBERS = ("epochs", "batch_size", "learning_rate", "seed")
GROUPS = ("model", "loss", "optimizer", "schedule")
UNSET = "(not set)"


def log_config(client: MlflowClient, run: Run, config: Mapping[str, Any], resumes: int) -> None:
    """Logs a configuration without its secrets: as `cfg.*` parameters, and whole as YAML.

    Beside them are the `choices`, under short names.

    The first one is `config.yaml`, that of a resume `config.resume-<n>.yaml`, in the order of the
    configuration. MLflow keeps the first value of a parameter for good. So the n-th resume logs
    what it changes as `cfg.<key>.resume-<n>`, which the run's page shows below `cfg.<key>`, and
    names the keys in the tag `resume.<n>.changed`.

    Args:
        client: A client of the tracking store.
        run: The run as MLflow stores it now.
        config: The composed configuration, nested.
        resumes: How often the run was resumed, including this time.
    """
    run_id, plain = run.info.run_id, redacted(_plain(config))
    params = flatten(plain)
    before = current(run.data.params)
    changed = sorted(k for k in {*before, *params} if before.get(k, UNSET) != params.get(k, UNSET))
    fresh = {k: v for k, v in params.items() if k not in before}
    fresh |= {k: v for k, v in choices(plain).items() if k not in run.data.params}
    again = {f"{k}.resume-{resumes}": params.get(k, UNSET) for k in changed if k in before}
    _log_params(client, run_id, fresh | again)
    file = f"config.resume-{resumes}.yaml" if before else "config.yaml"
    client.log_text(run_id, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), file)
    if before and changed:
        names = ", ".join(key.removeprefix(PREFIX) for key in changed)
        client.set_tag(run_id, f"resume.{resumes}.changed", names[:TAG_CHARACTERS])


def choices(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns the parameters by which people tell trainings apart, under short names.

    That are the choices of groups, from what these build: `model: moe`, `loss: cross_entropy`.
    """
    built = {group: config.get(group) for group in GROUPS}
    found = {
        group: _built(str(entry["_target_"]))
        for group, entry in built.items()
        if isinstance(entry, Mapping) and "_target_" in entry
    }
    data = config.get("data")
    if found and isinstance(data, Mapping) and "level" in data:
        found["data"] = str(data["level"])
    return found


def _built(target: str) -> str:
    """Returns the name of a part: of its function or class, or of its file if that has one."""
    *_, file, name = target.split(".")
    return file if name == "build" else name.lower()


def current(params: Mapping[str, str]) -> dict[str, str]:
    """Returns the configuration that a run has now, from its parameters, by `cfg.<key>`."""
    found: dict[str, tuple[int, str]] = {}
    for name, value in params.items():
        key, _, resume = name.partition(".resume-")
        if key.startswith(PREFIX):
            found[key] = max(found.get(key, (-1, "")), (int(resume or 0), value))
    return {key: value for key, (_, value) in found.items()}


def changes(params: Mapping[str, str]) -> list[str]:
    """Returns what resumes have changed of a run's configuration, as `epochs: 3, now 5`."""
    return [
        f"{key.removeprefix(PREFIX)}: {params[key]}, now {value}"
        for key, value in sorted(current(params).items())
        if params.get(key, value) != value
    ]


def resumed_at(tags: Mapping[str, str]) -> list[int]:
    """Returns the examples that a run had seen when it was resumed, each time."""
    found = (re.fullmatch(r"resume\.(\d+)\.examples", key) for key in tags)
    return [int(tags[match[0]]) for match in sorted(filter(None, found), key=lambda m: int(m[1]))]


def settings(params: Mapping[str, str]) -> dict[str, str]:
    """Returns the choices and numbers that people compare first, as a training has them now."""
    now = current(params)
    numbers = {key: now[PREFIX + key] for key in NUMBERS if PREFIX + key in now}
    return {key: params[key] for key in (*GROUPS, "data") if key in params} | numbers


def flatten(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns a configuration as MLflow parameters: `{"a": {"b": 1}}` is `{"cfg.a.b": "1"}`.

    Lists, numbers, truth values and None are JSON text; longer values are cut.

    Args:
        config: Nested mappings.
    """
    return {
        re.sub(r"[^/\w.\- :]", "_", f"{PREFIX}{key}"): value[:PARAM_CHARACTERS]
        for key, value in _leaves(config)
    }


def _leaves(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from ((f"{key}.{inner}", text) for inner, text in _leaves(value))
        else:
            yield str(key), value if isinstance(value, str) else json.dumps(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _log_params(client: MlflowClient, run_id: str, params: Mapping[str, str]) -> None:
    entities = [Param(key, value) for key, value in params.items()]
    for start in range(0, len(entities), BATCH_PARAMS):
        client.log_batch(run_id, params=entities[start : start + BATCH_PARAMS])


def read_config(run_id: str) -> dict[str, Any]:
    """Returns the present configuration of a run: that of its last resume, or the first.

    Args:
        run_id: The run.

    Raises:
        InputError: The run does not exist, or has no configuration.
    """
    client = store.connect()
    try:
        info = client.get_run(run_id).info
        files = [file.path for file in client.list_artifacts(run_id)]
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise InputError(
            f"The run must exist, but {client.tracking_uri} has no run '{run_id}'. "
            "Check the id, and that MLFLOW_TRACKING_URI names the store that holds it."
        ) from error
    pattern = re.compile(r"config(?:\.resume-(\d+))?\.yaml")
    found = {int(match[1] or 0): file for file in files if (match := pattern.fullmatch(file))}
    if not found:
        raise InputError(f"Run '{run_id}' has no config.yaml; only a training run can be resumed.")
    with store.no_bars():
        return yaml.safe_load(load_text(f"{info.artifact_uri}/{found[max(found)]}"))

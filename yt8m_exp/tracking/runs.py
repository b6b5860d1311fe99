"""Opens a run in MLflow: one per verb, owned by one process, with a true status at its end."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient, entities
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags

from yt8m_exp.spec import InputError
from yt8m_exp.tracking import configuration, endings, overruled, owners, provenance, store, system
from yt8m_exp.tracking.outbox.writer import MetricWriter

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A run that this process owns.

    Attributes:
        id: MLflow's id.
        experiment: The experiment's name.
        directory: The run's own local folder, absolute: checkpoints, journal, lock.
        client: A client of the tracking store.
        writer: Where the run's metrics go.
        resumed: Whether the run was there before and is continued.
    """

    id: str
    experiment: str
    directory: Path
    client: MlflowClient
    writer: MetricWriter
    resumed: bool


@contextmanager
def open_run(
    verb: str,
    *,
    experiment: str,
    config: Mapping[str, Any],
    root: Path = Path("runs"),
    resume: str | None = None,
    name: str | None = None,
    tags: Mapping[str, str] = {},
    system_metrics: bool = True,
) -> Iterator[Run]:
    """Opens a run, logs where it comes from, and gives it a true status at the end.

    If MLFLOW_RUN_ID names a run, made by `mlflow run` or for a trial, this process joins it;
    otherwise a run is created. A run ends FINISHED, FAILED (tag `error`, artifact `error.txt`), or
    KILLED: by Ctrl-C, SIGTERM or SIGHUP, or because the verb raised `endings.Stopped`. The next run
    of this host records a kill -9 (`owners.close_dead_runs`).

    Args:
        verb: What runs: train, eval, ...
        experiment: The experiment's name; a run that is joined or resumed keeps its own.
        config: The composed configuration.
        root: The folder that holds a folder for each run.
        resume: The id of a run to continue.
        name: The name of a new run; one that is joined or resumed keeps its own.
        tags: More tags.
        system_metrics: Whether to sample processor, memory, disk, network and GPUs.

    Raises:
        InputError: The run to resume, or the experiment, does not exist or is deleted.
        OutsideError: Another process holds the run.
        MlflowException: The tracking store cannot be reached.
    """
    with ExitStack() as stack:
        stack.enter_context(endings.signals_raise())
        client, root = store.connect(), root.absolute()
        wrapper = _wrapper(client, resume)
        if run_id := resume or wrapper:
            found = _continued(client, run_id)
        else:
            found = _created(client, experiment, name, root)
        directory = root / found.info.run_id
        stack.enter_context(owners.owning(found, directory))
        run = _start(client, found, directory, resumed=resume is not None)
        try:
            _set_tags(client, run.id, {"verb": verb, **tags})
            _describe(run, found, config)
            with ExitStack() as sampled:
                if system_metrics:
                    started = found.info.start_time / 1000
                    sampled.enter_context(system.sampling(run.writer, run.id, started))
                yield run
            _finish(run)
        except BaseException as error:
            run.writer.close(timeout_seconds=endings.CLOSE_SECONDS)
            endings.record(client, run.id, error)
            made = run.id == wrapper and overruled.MADE in found.data.tags
            if made and endings.status_of(error) == "KILLED":
                overruled.watch(run.id)
            raise


def _wrapper(client: MlflowClient, resume: str | None) -> str | None:
    """Returns the run that `mlflow run` made, and removes the variable, which children inherit."""
    wrapper = os.environ.pop("MLFLOW_RUN_ID", None)
    if resume and wrapper and wrapper != resume:
        client.set_tag(wrapper, "resumed_run", resume)
    return wrapper


def _created(client: MlflowClient, experiment: str, name: str | None, root: Path) -> entities.Run:
    experiment_id = store.experiment_id(client, experiment)
    owners.close_dead_runs(client, experiment_id)
    tags = resolve_tags(
        owners.tags(root)
    )  # also the user and the source file, as `mlflow.start_run` tags them
    return client.create_run(experiment_id, tags=tags, run_name=name)


def _continued(client: MlflowClient, run_id: str) -> entities.Run:
    found = _existing(client, run_id)
    owners.close_dead_runs(client, found.info.experiment_id)
    return client.get_run(run_id)


def _existing(client: MlflowClient, run_id: str) -> entities.Run:
    try:
        found = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise InputError(
            f"A run must exist to be continued, but {client.tracking_uri} has no run '{run_id}'. "
            "Check the id, and that MLFLOW_TRACKING_URI names the store that holds it."
        ) from error
    if found.info.lifecycle_stage == "deleted":
        raise InputError(
            f"A run that is continued must not be deleted, but '{run_id}' is. "
            f"Restore it: mlflow runs restore --run-id {run_id}"
        )
    return found


def _start(client: MlflowClient, found: entities.Run, directory: Path, *, resumed: bool) -> Run:
    run_id = found.info.run_id
    experiment = client.get_experiment(found.info.experiment_id).name
    writer = MetricWriter(client, run_id, directory / "metrics.jsonl")
    # The owner's tags first: others mark a RUNNING run with a dead owner KILLED.
    _set_tags(client, run_id, owners.tags(directory.parent))
    mlflow.start_run(run_id=run_id, log_system_metrics=False)
    return Run(run_id, experiment, directory, client, writer, resumed)


def _describe(run: Run, found: entities.Run, config: Mapping[str, Any]) -> None:
    """Logs the configuration and the origin; a resumed run keeps its first ones beside them."""
    tags, resumes = found.data.tags, int(found.data.tags.get("resumes", 0)) + run.resumed
    origin = provenance.collect(store.PROJECT)
    if run.resumed:
        changed = {k: v for k, v in origin.tags.items() if tags.get(k) != v}
        _set_tags(run.client, run.id, {f"resume.{resumes}.{k}": v for k, v in changed.items()})
        _set_tags(run.client, run.id, {"resumes": str(resumes)})
        if "error" in tags:
            run.client.delete_tag(run.id, "error")
    else:
        _set_tags(run.client, run.id, origin.tags)
    if origin.diff:
        file = f"git.resume-{resumes}.diff" if run.resumed else "git.diff"
        run.client.log_text(run.id, origin.diff, file)
    configuration.log_config(run.client, found, config, resumes)


def _set_tags(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    client.log_batch(run_id, tags=[entities.RunTag(key, value) for key, value in tags.items()])


def _finish(run: Run) -> None:
    run.writer.close()
    try:
        mlflow.end_run("FINISHED")
    except Exception:
        logger.error(
            "Run %s is done, but the tracking server could not be reached to end it. Once it is "
            "back, resume=%s ends the run.",
            *(run.id, run.id),
        )
        raise

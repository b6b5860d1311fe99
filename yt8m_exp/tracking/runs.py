"""Opens a run in MLflow: one per verb, owned by one process, with a true status at its end."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient, entities
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags

from yt8m_exp import spec
from yt8m_exp.spec import InputError, UnansweredError, caused_by
from yt8m_exp.tracking import (
    configuration,
    endings,
    overruled,
    owners,
    patience,
    provenance,
    store,
)
from yt8m_exp.tracking.connection import session
from yt8m_exp.tracking.machine import cost, system
from yt8m_exp.tracking.outbox.writer import MetricWriter

logger = logging.getLogger(__name__)

BETWEEN = " · "
"""Between the parts of a run's name."""
AT_RANDOM = re.compile(r"[a-z]+-[a-z]+-\d+")
"""The names that MLflow gives to runs without one."""


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
        before: The run as MLflow stored it when this process opened it.
    """

    id: str
    experiment: str
    directory: Path
    client: MlflowClient
    writer: MetricWriter
    resumed: bool
    before: entities.Run

    @property
    def resumes(self) -> int:
        """How often it has been resumed, including this time."""
        return int(self.before.data.tags.get("resumes", 0)) + self.resumed


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
    patience_seconds: float = patience.MIDDLE_SECONDS,
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
        name: The name of a new run, and of one that `mlflow run` made without `--run-name`. One
            that is resumed keeps its own.
        tags: More tags.
        system_metrics: Whether to sample processor, memory, disk, network and GPUs.
        patience_seconds: How long the tracking server may give no answer; shorter in closing.

    Raises:
        InputError: The run to resume, or the experiment, does not exist or is deleted.
        OutsideError: Another process holds the run.
        UnansweredError: The tracking server gives no answer.
        MlflowException: The tracking server refuses a request.
    """
    with ExitStack() as stack:
        stack.enter_context(patience.of(patience_seconds))
        stack.enter_context(endings.signals_raise())
        client, root = store.connect(), root.absolute()
        wrapper = _wrapper(client, resume)
        if run_id := resume or wrapper:
            found = _continued(client, run_id)
        else:
            found = _created(client, experiment, name, root)
        directory = root / found.info.run_id
        stack.enter_context(owners.owning(client, found, directory))
        run = _start(client, found, directory, verb, resumed=resume is not None)
        try:
            _name(run, name)
            _describe(run, config, tags)
            with ExitStack() as sampled:
                if system_metrics:
                    started = found.info.start_time / 1000
                    sampled.enter_context(system.sampling(run.writer, run.id, started))
                sampled.enter_context(cost.measured(run.writer, found.data.metrics, run.resumes))
                yield run
            _finish(run)
        except BaseException as error:
            if not caused_by(error, UnansweredError):  # otherwise, the wait is over
                patience.close()
            run.writer.close(min(patience.left(), patience.SIGNAL_SECONDS))
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
    return session.made_once(
        lambda: client.create_run(experiment_id, tags=tags, run_name=name),
        lambda: owners.latest_run(client, experiment_id),
    )


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


def _start(
    client: MlflowClient, found: entities.Run, directory: Path, verb: str, *, resumed: bool
) -> Run:
    run_id = found.info.run_id
    experiment = client.get_experiment(found.info.experiment_id).name
    writer = MetricWriter(client, run_id, directory / "metrics.jsonl")
    # The owner's tags first: others mark a RUNNING run with a dead owner KILLED.
    _set_tags(client, run_id, owners.tags(directory.parent) | {"verb": verb})
    mlflow.start_run(run_id=run_id, log_system_metrics=False)
    return Run(run_id, experiment, directory, client, writer, resumed, found)


def note_resume(run: Run, examples: int) -> None:
    """Notes at how many examples a run that is resumed goes on."""
    if run.resumed:
        run.client.set_tag(run.id, f"resume.{run.resumes}.examples", str(examples))
        logger.info("Going on at %s examples", f"{examples:,}")


def _name(run: Run, name: str | None) -> None:
    """Names a run that `mlflow run` made and gave a name at random."""
    found = run.before
    if name and overruled.MADE in found.data.tags and AT_RANDOM.fullmatch(found.info.run_name):
        run.client.update_run(run.id, name=name)


def _describe(run: Run, config: Mapping[str, Any], more: Mapping[str, str]) -> None:
    """Logs the configuration and the origin; a resumed run keeps its first ones beside them."""
    tags, resumes = run.before.data.tags, run.resumes
    origin = provenance.collect(spec.PROJECT)
    facts = {**origin.tags, **more}
    if run.resumed:
        changed = {k: v for k, v in facts.items() if tags.get(k) != v}
        _set_tags(run.client, run.id, {f"resume.{resumes}.{k}": v for k, v in changed.items()})
        _set_tags(run.client, run.id, {"resumes": str(resumes)})
        if "error" in tags:
            run.client.delete_tag(run.id, "error")
    else:
        _set_tags(run.client, run.id, facts)
    if origin.diff:
        file = f"git.resume-{resumes}.diff" if run.resumed else "git.diff"
        run.client.log_text(run.id, origin.diff, file)
    configuration.log_config(run.client, run.before, config, resumes)


def _set_tags(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    client.log_batch(run_id, tags=[entities.RunTag(key, value) for key, value in tags.items()])


def _finish(run: Run) -> None:
    patience.close()
    run.writer.close(patience.left())
    mlflow.end_run("FINISHED")

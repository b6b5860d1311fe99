"""What MLflow holds of a trial: a run below the run of its study."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from yt8m_exp.tracking import configuration, owners
from yt8m_exp.tracking.connection import session
from yt8m_exp.tracking.pages import cards

PREFIX = "trial."
CHOSEN = ("pruned", "infeasible")
"""States of trials that the study itself ended early. In MLflow, KILLED looks like an error."""
STATUS = {"complete": "FINISHED", "failed": "FAILED"} | dict.fromkeys(CHOSEN, "FINISHED")
"""MLflow's status by a trial's state; trials of other states were ended by accident: KILLED."""

OPEN = ("RUNNING", "SCHEDULED")


@dataclass(frozen=True)
class TrialRun:
    """The run that one attempt at a trial works in.

    Attributes:
        id: of the run.
        name: of the run.
        resumed: whether training resumes from what an earlier attempt left.
        environment: variables with which the trial's process joins the run.
        output: the file that takes the process's output.
    """

    id: str
    name: str
    resumed: bool
    environment: Mapping[str, str]
    output: Path


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        run_id: its run.
        number: of the trial.
        state: `complete`, `pruned`, `infeasible`, `failed`, `crashed` or `interrupted`.
        examples: examples seen.
        reason: why, in words; empty for a complete trial.
        time: milliseconds since 1970; None: now.
    """

    run_id: str
    number: int
    state: str
    examples: int
    reason: str = ""
    time: int | None = None


@dataclass(frozen=True)
class TrialRuns:
    """The runs of a study's trials.

    Attributes:
        client: a client of the tracking store.
        study: the study's name.
        parent: the run of the study.
        root: the folder that holds a folder for each run.
    """

    client: MlflowClient
    study: str
    parent: str
    root: Path

    def begin(self, number: int, params: Mapping[str, object], run_id: str | None) -> TrialRun:
        """Creates the run of a trial, or continues that of an earlier attempt.

        Args:
            number: of the trial.
            params: the trial's parameters.
            run_id: the run of an earlier attempt, None where there was none.
        """
        name = self._name(number)
        resumed = run_id is not None and self._has_started(run_id)
        run_id = run_id or self._create(name, params)
        environment = {
            "MLFLOW_TRACKING_URI": self.client.tracking_uri,
            "MLFLOW_RUN_ID": "" if resumed else run_id,  # or it would inherit the study's
        }
        output = self.root / run_id / "output.log"
        return TrialRun(run_id, name, resumed, environment, output)

    def end(self, outcome: Outcome) -> None:
        """Gives a trial's run its status, then the tags `trial.*` that say how the trial ended."""
        status = STATUS.get(outcome.state, "KILLED")
        run = self.client.get_run(outcome.run_id)
        if run.info.status != status:
            self.client.set_terminated(outcome.run_id, status, outcome.time)
        if outcome.state != "complete":
            self._say(run, outcome)
        facts = {
            "study": self.study,
            "number": outcome.number,
            "state": outcome.state,
            "examples": outcome.examples,
        }
        facts |= {"reason": outcome.reason} if outcome.reason else {}
        tags = [
            RunTag(f"{PREFIX}{key}", str(value)[: configuration.TAG_CHARACTERS])
            for key, value in facts.items()
        ]
        self.client.log_batch(outcome.run_id, tags=tags)  # last: these tags mean that all is noted

    def end_unrecorded(self, outcomes: Iterable[Outcome]) -> None:
        """Ends the runs of trials whose driver died after the trial and before this record."""
        states = {run.info.run_id: run.data.tags.get(f"{PREFIX}state") for run in self._runs()}
        for outcome in outcomes:
            if outcome.run_id in states and states[outcome.run_id] != outcome.state:
                self.end(outcome)

    def close_orphans(self, of_trials: Callable[[], Mapping[int, str | None]]) -> None:
        """Ends runs that no trial got before their driver died.

        Args:
            of_trials: returns the run of each trial, by its number; None: it may still get one.
        """
        open_runs = [run for status in OPEN for run in self._runs(_has_status(status))]
        found = of_trials()  # after the search, or it would miss a run that a trial gets meanwhile
        waiting = {self._name(number) for number, run_id in found.items() if run_id is None}
        for run in open_runs:
            if run.info.run_id not in found.values() and run.info.run_name not in waiting:
                self.client.set_tag(run.info.run_id, "error", "The driver of its study died.")
                self.client.set_terminated(run.info.run_id, "KILLED")

    def _say(self, run: Run, outcome: Outcome) -> None:
        """Says in the name and the description of a trial's run why it has no result."""
        name = f"{self._name(outcome.number)} · {outcome.state}"
        self.client.update_run(outcome.run_id, name=name)
        command = run.data.tags.get("command", "")
        repeat = f"\n\nRepeat it alone:\n\n{cards.code(command)}" if command else ""
        text = f"**{outcome.state.capitalize()}.** {outcome.reason}{repeat}"
        cards.describe(self.client, outcome.run_id, text[: configuration.TAG_CHARACTERS])
        if outcome.state in CHOSEN and "error" in run.data.tags:
            self.client.delete_tag(outcome.run_id, "error")

    def _name(self, number: int) -> str:
        return f"{self.study}-{number}"

    def _create(self, name: str, params: Mapping[str, object]) -> str:
        experiment_id = self._experiment_id
        tags = owners.tags(self.root) | {MLFLOW_PARENT_RUN_ID: self.parent}
        run_id = session.made_once(
            lambda: self.client.create_run(experiment_id, tags=tags, run_name=name),
            lambda: owners.latest_run(self.client, experiment_id, **{MLFLOW_RUN_NAME: name}),
        ).info.run_id
        shown = [
            Param(key.removeprefix(configuration.PREFIX), text)
            for key, text in configuration.flatten(params).items()
        ]
        self.client.log_batch(run_id, params=shown)
        self.client.update_run(run_id, status="SCHEDULED")  # until the process joins it
        return run_id

    @cached_property
    def _experiment_id(self) -> str:
        return self.client.get_run(self.parent).info.experiment_id

    def _has_started(self, run_id: str) -> bool:
        """Tells whether training got so far that it can be resumed."""
        return any(file.path == "config.yaml" for file in self.client.list_artifacts(run_id))

    def _runs(self, condition: str = "") -> Iterator[Run]:
        token: str | None = ""
        while token is not None:
            page = self.client.search_runs(
                [self._experiment_id],
                f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{self.parent}'{condition}",
                page_token=token or None,
            )
            yield from page
            token = page.token or None


def _has_status(status: str) -> str:
    return f" and attributes.status = '{status}'"

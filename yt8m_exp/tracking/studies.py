"""What MLflow holds of a study's trials: a run for each, below the run of the study."""

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient, entities

from yt8m_exp.tracking import configuration, owners

logger = logging.getLogger(__name__)

PREFIX = "trial."
PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class StudyRuns:
    """The runs of a study's trials.

    Attributes:
        client: a client of the tracking store.
        parent: the run of the study.
        root: the folder that holds a folder for each run.
    """

    client: MlflowClient
    parent: str
    root: Path

    def create(self, name: str, params: Mapping[str, object]) -> str:
        """Creates the run of a trial, for the trial's process to join; returns its id."""
        experiment_id = self.client.get_run(self.parent).info.experiment_id
        tags = owners.tags(self.root) | {PARENT: self.parent}
        run_id = self.client.create_run(experiment_id, tags=tags, run_name=name).info.run_id
        texts = configuration.flatten(params)
        shown = [
            entities.Param(key.removeprefix(configuration.PREFIX), texts[key]) for key in texts
        ]
        self.client.log_batch(run_id, params=shown)
        self.client.update_run(run_id, status="SCHEDULED")  # until the process joins it
        return run_id

    def can_resume(self, run_id: str) -> bool:
        """Tells whether the run of a trial got so far that training can go on from it."""
        return any(file.path == "config.yaml" for file in self.client.list_artifacts(run_id))

    def end(
        self, run_id: str, status: str, tags: Mapping[str, object], *, when: int | None = None
    ) -> None:
        """Gives the run of a trial a status, then tags `trial.*` that say how it ended.

        Args:
            run_id: the run.
            status: MLflow's.
            tags: without the prefix; who finds them there knows that all is noted.
            when: milliseconds since 1970; None: now.
        """
        most = configuration.TAG_CHARACTERS
        texts = [
            entities.RunTag(f"{PREFIX}{key}", str(value)[:most]) for key, value in tags.items()
        ]
        if self.client.get_run(run_id).info.status != status:
            self.client.set_terminated(run_id, status, when)
        self.client.log_batch(run_id, tags=texts)

    def states(self) -> dict[str, str | None]:
        """Returns the state of each trial that its run has noted, by the run's id."""
        key = f"{PREFIX}state"
        return {run.info.run_id: run.data.tags.get(key) for run in self._children()}

    def close_lost(self, known: Collection[str | None]) -> None:
        """Ends runs that no process joined before their driver died.

        Args:
            known: the runs of trials that the study knows, and may still start.
        """
        for run in self._children():
            if run.info.status == "SCHEDULED" and run.info.run_id not in known:
                self.client.set_tag(run.info.run_id, "error", "The driver of its study died.")
                self.client.set_terminated(run.info.run_id, "KILLED")

    def _children(self) -> Iterator[entities.Run]:
        experiment_id = self.client.get_run(self.parent).info.experiment_id
        token: str | None = ""
        while token is not None:
            page = self.client.search_runs(
                [experiment_id],
                f"tags.`{PARENT}` = '{self.parent}'",
                page_token=token or None,
            )
            yield from page
            token = page.token or None

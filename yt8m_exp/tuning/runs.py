"""The runs of a study's trials in MLflow: made here, joined by the trials' processes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna import Trial

from yt8m_exp.tracking.studies import StudyRuns
from yt8m_exp.tuning.working import Working

STATUS = {"complete": "FINISHED", "failed": "FAILED"}
"""MLflow's status of a trial's state; all others were ended before they were done: KILLED."""


@dataclass(frozen=True)
class TrialRuns:
    """Makes the runs of trials, and notes how the trials ended.

    Attributes:
        kept: where MLflow keeps them.
        study: the study's name.
        words: makes Hydra overrides of parameters.
        work: the function that a trial's process calls, as `module:name`.
        ended: is called after each trial.
    """

    kept: StudyRuns
    study: str
    words: Callable[[Mapping[str, Any]], Sequence[str]]
    work: str
    ended: Callable[[], None] = lambda: None

    def begin(self, trial: Trial, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Makes a trial's run, or goes on with that of an earlier attempt; see `driver.Runs`."""
        name = f"{self.study}-{trial.number}"
        run_id = trial.user_attrs.get("run_id")
        resumes = run_id is not None and self.kept.can_resume(run_id)
        if run_id is None:
            run_id = self.kept.create(name, params)
        words = [*self.words(params), f"tracking.run_name={json.dumps(name)}"]
        if resumes:
            words.append(f"resume={run_id}")
        environment = {
            "MLFLOW_TRACKING_URI": self.kept.client.tracking_uri,
            "MLFLOW_RUN_ID": "" if resumes else run_id,  # not that of the study
        }
        return run_id, {
            "work": self.work,
            "arguments": {"overrides": words},
            "environment": environment,
            "output": str(self.kept.root / run_id / "output.log"),
        }

    def end(self, working: Working, state: str, reason: str) -> None:
        """Notes how a trial ended."""
        tags = {"study": self.study, "number": working.trial.number, "state": state}
        tags |= {"examples": working.examples} | ({"reason": reason} if reason else {})
        self.kept.end(working.run_id, STATUS.get(state, "KILLED"), tags)
        self.ended()

"""The runs of a study's trials in MLflow: made here, joined by the trials' processes."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna import Trial
from optuna.trial import FrozenTrial, TrialState

from yt8m_exp.tracking.studies import StudyRuns
from yt8m_exp.tuning.study import is_infeasible
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
        self._end(working.run_id, working.trial.number, state, working.examples, reason)
        self.ended()

    def settle(self, trials: Iterable[FrozenTrial]) -> None:
        """Notes how trials ended whose drivers died before they could note it."""
        noted = self.kept.states()
        for trial in trials:
            state, known = _state(trial), trial.user_attrs
            run_id = known.get("run_id")
            if state and run_id in noted and noted[run_id] != state:
                examples, reason = known.get("examples", 0), known.get("reason", "")
                assert trial.datetime_complete
                when = int(trial.datetime_complete.timestamp() * 1000)
                self._end(run_id, trial.number, state, examples, reason, when=when)

    def _end(
        self,
        run_id: str,
        number: int,
        state: str,
        examples: int,
        reason: str,
        *,
        when: int | None = None,
    ) -> None:
        tags = {"study": self.study, "number": number, "state": state, "examples": examples}
        tags |= {"reason": reason} if reason else {}
        self.kept.end(run_id, STATUS.get(state, "KILLED"), tags, when=when)


def _state(trial: FrozenTrial) -> str | None:
    """Returns how a trial ended, as `Working.outcome` names it; None where it goes on."""
    if not trial.state.is_finished() or trial.user_attrs.get("requeued"):
        return None
    if trial.state == TrialState.FAIL:
        return "failed"
    return "infeasible" if is_infeasible(trial) else trial.state.name.lower()

"""A study in Optuna: several drivers claim its trials, finish them, and may leave some behind."""

import contextlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna import Trial
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from yt8m_exp.spec import InputError, OutsideError
from yt8m_exp.tracking.trials import Outcome
from yt8m_exp.tuning.definition import Definition
from yt8m_exp.tuning.leases import Leases
from yt8m_exp.tuning.storage import Storage

logger = logging.getLogger(__name__)

MAX_INFEASIBLE = 1000
Retry = Literal["never", "crashed", "interrupted"]
Study = optuna.Study


def open_study(
    storage: Storage,
    definition: Definition,
    *,
    data: Mapping[str, str],
    first: Mapping[str, Any],
    sampler: Callable[[int], optuna.samplers.BaseSampler | None],
    pruner: optuna.pruners.BasePruner | None,
    accept_changes: bool = False,
) -> Study:
    """Creates a study, with its first trial in the queue, or opens an existing one.

    Args:
        storage: where it is kept.
        definition: the study's definition.
        data: the digests of its data, by what they are for.
        first: the parameters of the first trial.
        sampler: returns the sampler of a session, None for Optuna's choice, from the session's
            number: with one seed, all sessions propose the same (optuna/optuna#4714).
        pruner: stops trials; None stops none.
        accept_changes: whether to continue a study whose definition or data have changed.

    Raises:
        InputError: the existing study has another definition or other data.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with storage.claiming(definition.name):
        study = optuna.create_study(
            storage=storage.optuna,
            study_name=definition.name,
            directions=list(definition.objectives.values()),
            pruner=pruner or optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        identity = {"definition": definition.identity, "data": json.dumps(data, sort_keys=True)}
        attributes = study.user_attrs
        if "definition" not in attributes:
            with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
                study.set_metric_names(list(definition.objectives))
            study.enqueue_trial(dict(first), skip_if_exists=True)
        elif not accept_changes:
            _require_same(definition.name, attributes, identity)
        for name, value in identity.items():
            if attributes.get(name) != value:
                study.set_user_attr(name, value)
        session = attributes.get("sessions", 0)
        study.set_user_attr("sessions", session + 1)
    study.sampler = sampler(session) or study.sampler
    return study


class Trials:
    """The trials of a study.

    A trial counts once it is complete or pruned. A trial that fails by its own fault is replaced. A
    trial whose process or driver died, or that was interrupted, is queued again with its
    parameters, the run that holds its checkpoint, and the values that it had reported.

    Args:
        storage: where the study is kept.
        study: the study.
        leases: the leases of its drivers; this driver must hold one.
        total: how many trials must count.
        retries: how often a trial whose process died is queued again.
    """

    def __init__(
        self, storage: Storage, study: Study, leases: Leases, total: int, retries: int
    ) -> None:
        self.study, self.total = study, total
        self._storage, self._leases, self._retries = storage, leases, retries

    def claim(self) -> Trial | None:
        """Takes a trial for this driver; None where enough trials are finished or running.

        Raises:
            OutsideError: nearly no parameters of the space satisfy the constraints.
        """
        with self._storage.claiming(self.study.study_name):
            self.release_abandoned()
            trials = self.study.get_trials(deepcopy=False)
            taken = [t for t in trials if is_counted(t) or t.state == TrialState.RUNNING]
            if len(taken) >= self.total:
                return None
            if sum(is_infeasible(t) for t in trials) >= MAX_INFEASIBLE:
                raise OutsideError(
                    f"{MAX_INFEASIBLE} proposals broke a constraint of the study. Narrow its "
                    "space to what the constraints allow."
                )
            trial = self.study.ask()
            trial.set_user_attr("driver", self._leases.driver)
        self._replay(trial)
        return trial

    def is_done(self) -> bool:
        """Tells whether the total is reached."""
        return sum(map(is_counted, self.study.get_trials(deepcopy=False))) >= self.total

    def set_attributes(self, trial: Trial, **attributes: Any) -> None:
        """Keeps attributes with a trial, unless another driver has ended it meanwhile."""
        for name, value in attributes.items():
            with contextlib.suppress(UpdateFinishedTrialError):
                trial.set_user_attr(name, value)

    def finish(self, trial: Trial, values: Sequence[float]) -> bool:
        """Records the values of a finished trial; False where another driver has ended it."""
        return self._tell(trial, TrialState.COMPLETE, values)

    def prune(self, trial: Trial, reason: str, *, infeasible: bool = False) -> bool:
        """Records that a trial was stopped; a trial that broke a constraint is infeasible."""
        self.set_attributes(trial, reason=reason)
        if infeasible:
            self.set_attributes(trial, infeasible=True)
            with contextlib.suppress(UpdateFinishedTrialError):
                trial.set_constraint("constraints", 1.0)
        return self._tell(trial, TrialState.PRUNED)

    def fail(self, number: int, reason: str, retry: Retry = "never") -> bool:
        """Records that a trial failed, and queues it again where its retries allow that.

        Returns:
            Whether it is queued again, by this driver or by another.
        """
        trial = self.study.get_trials(deepcopy=False)[number]
        if trial.state.is_finished():
            logger.warning("Trial %d was ended, and queued again, by another driver.", number)
            return True
        attempt = trial.user_attrs.get("attempt", 0) + (retry == "crashed")
        queued = retry != "never" and attempt <= self._retries
        if queued and not self._is_queued(
            number
        ):  # first: if this process dies here, no trial is lost
            params = trial.system_attrs.get("fixed_params", {}) | trial.params
            kept = {k: v for k, v in trial.user_attrs.items() if k in ("run_id", "examples")}
            self.study.enqueue_trial(params, kept | {"retry_of": number, "attempt": attempt})
        storage = self._storage.optuna
        study_id = storage.get_study_id_from_name(self.study.study_name)
        identifier = storage.get_trial_id_from_study_id_trial_number(study_id, number)
        try:
            storage.set_trial_user_attr(identifier, "reason", reason)
            storage.set_trial_user_attr(identifier, "requeued", queued)
            storage.set_trial_state_values(identifier, TrialState.FAIL)
        except UpdateFinishedTrialError:
            logger.warning("Trial %d was ended by another driver.", number)
        return queued

    def release_abandoned(self) -> None:
        """Fails the running trials of drivers that are gone, and queues them again."""
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            driver = trial.user_attrs.get("driver")
            if not self._leases.lives(driver):
                self.fail(trial.number, f"Its driver {driver} is gone.", "crashed")

    def _is_queued(self, number: int) -> bool:
        trials = self.study.get_trials(deepcopy=False)
        return any(trial.user_attrs.get("retry_of") == number for trial in trials)

    def _replay(self, trial: Trial) -> None:
        """Reports the values of an earlier attempt, since training resumes from there."""
        before = trial.user_attrs.get("retry_of")
        if before is None or len(self.study.directions) > 1:
            return
        values = self.study.get_trials(deepcopy=False)[before].intermediate_values
        for step, value in sorted(values.items()):
            trial.report(value, step)

    def _tell(self, trial: Trial, state: TrialState, values: Sequence[float] | None = None) -> bool:
        try:
            self.study.tell(trial, list(values) if values is not None else None, state)
        except (RuntimeError, ValueError) as error:
            if self.study.get_trials(deepcopy=False)[trial.number].state == TrialState.RUNNING:
                raise
            logger.warning("Trial %d was ended by another driver: %s", trial.number, error)
            return False
        return True


def outcomes(study: Study) -> Iterator[Outcome]:
    """Yields how the trials of a study ended, but for those that were queued again."""
    for trial in study.get_trials(deepcopy=False):
        known, run_id = trial.user_attrs, trial.user_attrs.get("run_id")
        if run_id is None or not trial.datetime_complete or known.get("requeued"):
            continue
        state = "failed" if trial.state == TrialState.FAIL else trial.state.name.lower()
        state = "infeasible" if is_infeasible(trial) else state
        time = int(trial.datetime_complete.timestamp() * 1000)
        examples, reason = known.get("examples", 0), known.get("reason", "")
        yield Outcome(run_id, trial.number, state, examples, reason, time)


def runs(study: Study) -> dict[int, str | None]:
    """Returns the run of each trial, by its number; None where the trial may still get one."""
    found = {}
    for trial in study.get_trials(deepcopy=False):
        run_id = trial.user_attrs.get("run_id")
        if run_id or not trial.state.is_finished():
            found[trial.number] = run_id
    return found


def is_counted(trial: FrozenTrial) -> bool:
    """Tells whether a trial counts to the study's total."""
    finished = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    return finished and not is_infeasible(trial)


def is_infeasible(trial: FrozenTrial) -> bool:
    """Tells whether a trial broke a constraint."""
    return bool(trial.user_attrs.get("infeasible"))


def _require_same(name: str, before: Mapping[str, Any], now: Mapping[str, str]) -> None:
    for part, what in {"definition": "space, overrides or constraints", "data": "data"}.items():
        if before.get(part) != now[part]:
            raise InputError(
                f"The study '{name}' must go on with the {what} it began with, {before.get(part)}, "
                f"but now has {now[part]}. Give the study another name, or set "
                "accept_changes=true to mix them."
            )

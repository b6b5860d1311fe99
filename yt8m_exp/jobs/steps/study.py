"""The run of a study in MLflow: the first driver opens it, and each trial has a run below it."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.jobs.steps.opened import opened as opened_run
from yt8m_exp.registry import versions
from yt8m_exp.spec import OutsideError
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import results, store
from yt8m_exp.tracking.runs import Run
from yt8m_exp.tracking.trials import TrialRun, TrialRuns
from yt8m_exp.tuning import study_summary, visualization
from yt8m_exp.tuning.definition import Definition
from yt8m_exp.tuning.storage import Storage
from yt8m_exp.tuning.study import Study, outcomes

logger = logging.getLogger(__name__)


@contextmanager
def opened(
    cfg: DictConfig, definition: Definition, storage: Storage, study: Study
) -> Iterator[Run | None]:
    """Opens the study's run; yields None if another driver of the study holds it."""
    with ExitStack() as stack:
        with storage.claiming(definition.name):
            run_id = study.user_attrs.get("run_id")
            more = {"study": asdict(definition)}
            opening = opened_run("sweep", cfg, name=definition.name, resume=run_id, more=more)
            try:
                tracked: Run | None = (run := stack.enter_context(opening))
                study.set_user_attr("run_id", run.id)
            except OutsideError as error:
                if run_id is None:
                    raise
                tracked = None
                logger.info("This driver joins another one of the study. %s", error)
        yield tracked


def trial_runs(cfg: DictConfig, study: Study) -> TrialRuns:
    """Returns the runs of a study's trials, after ending those that a dead driver left open."""
    root = Path(cfg.tracking.runs).absolute()
    runs = TrialRuns(store.connect(), study.study_name, study.user_attrs["run_id"], root)
    trials = study.get_trials(deepcopy=False)
    runs.close_orphans({trial.user_attrs.get("run_id") for trial in trials})
    runs.end_unrecorded(outcomes(study))
    return runs


def task(work: str, overrides: Sequence[str], run: TrialRun) -> dict[str, Any]:
    """Returns the task of a trial's process; see `child.serve`.

    Args:
        work: the function that it calls, as `module:name`.
        overrides: the overrides that the trial trains with.
        run: the trial's run.
    """
    words = [*overrides, f"tracking.run_name={json.dumps(run.name)}"]
    words += [f"resume={run.id}"] if run.resumed else []
    return {
        "work": work,
        "arguments": {"overrides": words},
        "environment": dict(run.environment),
        "output": str(run.output),
    }


def log_progress(tracked: Run | None, study: Study) -> None:
    """Adds a point to the curve of the best value, if this driver holds the study's run."""
    if tracked:
        tracked.writer.log(study_summary.progress(study), study_summary.finished(study))


def close(
    cfg: DictConfig, definition: Definition, study: Study, tracked: Run | None, runs: TrialRuns
) -> Summary:
    """Logs the results of the study, and registers its best model if `register` is given."""
    runs.end_unrecorded(outcomes(study))
    found, counts = study_summary.best(study), study_summary.count_by_state(study)
    result = {
        "run_id": study.user_attrs["run_id"],
        "study": study.study_name,
        "best": found[0] if found else None,
        "counts": counts,
    }
    if len(study.directions) > 1:
        result["front"] = found
    if tracked:
        _log_findings(cfg, definition, study, tracked)
    if cfg.register and found:
        client = store.connect()
        version = versions.register(client, found[0]["model_uri"], cfg.register)
        client.set_registered_model_alias(cfg.register, versions.CHALLENGER, str(version))
        result |= {"registered": cfg.register, "version": version}
    importances = study_summary.importances(study).items()
    shares = {f"share of {name}": f"{share:.0%}" for name, share in importances}
    best = dict(found[0]) if found else {}
    rows = {**counts, **best.pop("params", {}), **best, **shares}
    finished = study_summary.finished(study)
    title = f"Study {study.study_name}: {finished} of {definition.trials} trials"
    return Summary(title, result, rows, {"Look": f"optuna-dashboard {cfg.storage}"})


def _log_findings(cfg: DictConfig, definition: Definition, study: Study, tracked: Run) -> None:
    note = study_summary.note(study, definition.description)
    tracked.client.set_tag(tracked.id, "mlflow.note.content", note)
    if cfg.figures:
        if page := visualization.html(study):
            tracked.client.log_text(tracked.id, page, "figures/study.html")
        pictures = visualization.pictures(study)
        results.log_figures(tracked.client, tracked.id, pictures, crop=True)

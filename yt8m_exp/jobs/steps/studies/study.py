"""The run of a study in MLflow: the first driver opens it, and each trial has a run below it."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.config.overrides import override
from yt8m_exp.config.targets import trusted
from yt8m_exp.jobs.steps.opened import opened as opened_run
from yt8m_exp.plots.studies import figures
from yt8m_exp.plots.studies.page import render
from yt8m_exp.registry import registration, versions
from yt8m_exp.spec import OutsideError, UnansweredError
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import results, store
from yt8m_exp.tracking.pages import cards
from yt8m_exp.tracking.runs import Run
from yt8m_exp.tracking.trials import TrialRun, TrialRuns
from yt8m_exp.tuning import study_summary, visualization
from yt8m_exp.tuning.definition import Definition
from yt8m_exp.tuning.storage import Storage
from yt8m_exp.tuning.study import Study, outcomes
from yt8m_exp.tuning.study import runs as runs_of

logger = logging.getLogger(__name__)


@contextmanager
def opened(
    cfg: DictConfig, definition: Definition, storage: Storage, study: Study
) -> Iterator[Run | None]:
    """Opens the study's run; yields None if another driver of the study holds it."""
    with ExitStack() as stack:
        with storage.claiming(definition.name):
            run_id = study.user_attrs.get("run_id")
            more, name = {"study": asdict(definition)}, f"study {definition.name}"
            opening = opened_run("sweep", cfg, name=name, resume=run_id, more=more)
            try:
                tracked: Run | None = (run := stack.enter_context(opening))
                study.set_user_attr("run_id", run.id)
            except OutsideError as error:
                if run_id is None or isinstance(error, UnansweredError):
                    raise
                tracked = None
                logger.info("This driver joins another one of the study. %s", error)
        yield tracked


def trial_runs(cfg: DictConfig, study: Study, tracked: Run | None) -> TrialRuns:
    """Returns the runs of a study's trials, after ending those that a dead driver left open."""
    root = Path(cfg.tracking.runs).absolute()
    client = tracked.client if tracked else store.connect()
    found = TrialRuns(client, study.study_name, study.user_attrs["run_id"], root)
    found.close_orphans(partial(runs_of, study))
    return found


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
        "environment": dict(run.environment) | trusted(),
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
    runs.close_orphans(partial(runs_of, study))  # also of drivers that died in this session
    client = runs.client
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
        _log_findings(cfg, definition, study, tracked, found[0] if found else None)
    if cfg.register and found:
        version = registration.register(client, found[0]["model_uri"], cfg.register)
        client.set_registered_model_alias(cfg.register, versions.CHALLENGER, str(version))
        if tracked:
            _link_version(tracked, f"models:/{cfg.register}/{version}")
        result |= {"registered": cfg.register, "version": version}
    finished = study_summary.finished(study)
    title = f"Study {study.study_name}: {finished} of {definition.trials} trials"
    hints = {"Best recipe": _command(definition, found[0])} if found else {}
    hints |= store.pages(client, client.get_run(result["run_id"]).info)
    hints["Dashboard"] = f"optuna-dashboard {cfg.storage}"
    return Summary(title, result, _rows(study, found), hints)


def _rows(study: Study, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the closing table: the best trial, states with the last reason, importances."""
    best = dict(found[0]) if found else {}
    params, number = best.pop("params", {}), best.pop("trial", None)
    rows = {"best trial": number, **best, **params} if found else {}
    reasons = study_summary.last_reasons(study)
    for state, count in study_summary.count_by_state(study).items():
        rows[state] = f"{count:,}; the last: {reasons[state]}" if state in reasons else count
    shares = study_summary.importances(study).items()
    return rows | {f"importance of {name}": f"{share:.0%}" for name, share in shares}


def _best(tracked: Run, definition: Definition, best: Mapping[str, Any]) -> str:
    """Returns what the description of the study's run says of its best trial."""
    links = [cards.run_link(tracked.client, best["run_id"])]
    if best["model_uri"]:
        links.append(f"model {cards.model_link(tracked.client, best['model_uri'])}")
    command = _command(definition, best)
    return f"\n\n**The best trial** is {', '.join(links)}. Train it alone:\n\n{cards.code(command)}"


def _link_version(tracked: Run, model_uri: str) -> None:
    """Adds the registered version to the description of the study's run."""
    note = tracked.client.get_run(tracked.id).data.tags[cards.NOTE]
    linked = cards.model_link(tracked.client, model_uri)
    cards.describe(tracked.client, tracked.id, f"{note}\n\nRegistered as {linked}.")


def _command(definition: Definition, best: Mapping[str, Any]) -> str:
    """Returns the command that trains a trial's recipe."""
    params = [override(key, value) for key, value in best["params"].items()]
    return compose.command("train", [*definition.overrides, *params])


def _log_findings(
    cfg: DictConfig,
    definition: Definition,
    study: Study,
    tracked: Run,
    best: Mapping[str, Any] | None,
) -> None:
    note = study_summary.note(study, definition.description)
    if best:
        note += _best(tracked, definition, best)
    cards.describe(tracked.client, tracked.id, note)
    if cfg.figures:
        client = tracked.client
        found = visualization.described(study, store.addresses(client, tracked.id))
        recipe = _command(definition, best) if best else ""
        page = render(found, definition.description, recipe, _links(cfg, tracked))
        client.log_text(tracked.id, page, "study.html")
        results.log_figures(client, tracked.id, figures.draw(found))


def _links(cfg: DictConfig, tracked: Run) -> dict[str, str]:
    address = store.addresses(tracked.client, tracked.id)(tracked.id)
    return {
        "In MLflow": address or f"mlflow ui --backend-store-uri {tracked.client.tracking_uri}",
        "Optuna's dashboard": f"uvx optuna-dashboard {cfg.storage}",
    }

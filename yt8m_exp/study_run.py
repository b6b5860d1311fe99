"""A study's run in MLflow: opened by the driver that comes first, with a child for each trial."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command

if TYPE_CHECKING:
    from yt8m_exp.tracking.runs import Run
    from yt8m_exp.tuning.definition import Definition
    from yt8m_exp.tuning.runs import TrialRuns
    from yt8m_exp.tuning.storage import Storage
    from yt8m_exp.tuning.study import Study

logger = logging.getLogger(__name__)


@contextmanager
def opened(
    cfg: DictConfig, definition: "Definition", storage: "Storage", study: "Study"
) -> Iterator["Run | None"]:
    """Opens the study's run; None where another driver of the study holds it."""
    from yt8m_exp.tracking.runs import open_run

    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    with ExitStack() as stack:
        with storage.claiming(definition.name):
            run_id = study.user_attrs.get("run_id")
            opening = open_run(
                "sweep",
                experiment=cfg.tracking.experiment,
                config=plain | {"study": asdict(definition)},
                root=Path(cfg.tracking.runs),
                resume=run_id,
                name=cfg.tracking.run_name or definition.name,
                system_metrics=cfg.tracking.system_metrics,
            )
            try:
                tracked: Run | None = (opened := stack.enter_context(opening))
                study.set_user_attr("run_id", opened.id)
            except RuntimeError as error:
                if run_id is None:
                    raise
                tracked = None
                logger.info("This driver joins another one of the study. %s", error)
        yield tracked


def children(
    cfg: DictConfig,
    study: "Study",
    tracked: "Run | None",
    words: Callable[[Mapping[str, Any]], list[str]],
    work: str,
) -> "TrialRuns":
    """Returns what opens and closes the runs of trials, after it has ended those left open.

    Args:
        cfg: the configuration of the verb.
        study: the study, which has its run.
        tracked: that run, if it is this driver's: the curve of the best value goes there.
        words: the overrides that a trial trains with, from its parameters.
        work: the function that its process calls, as `module:name`.
    """
    from yt8m_exp.tracking import store
    from yt8m_exp.tracking.studies import StudyRuns
    from yt8m_exp.tuning import study_summary
    from yt8m_exp.tuning.runs import TrialRuns

    shared = [
        command.override("tracking.experiment", cfg.tracking.experiment),
        command.override("tracking.runs", cfg.tracking.runs),
        "tracking.system_metrics=false",  # of the machine, which the study's run has
        "figures=false",
    ]

    def note() -> None:
        if tracked:
            tracked.writer.log(study_summary.progress(study), study_summary.finished(study))

    parent = study.user_attrs["run_id"]
    kept = StudyRuns(store.connect(), parent, Path(cfg.tracking.runs).absolute())
    trials = study.get_trials(deepcopy=False)
    kept.close_lost({trial.user_attrs.get("run_id") for trial in trials})
    runs = TrialRuns(
        kept,
        study.study_name,
        words=lambda params: [*shared, *words(params)],
        work=work,
        ended=note,
    )
    runs.settle(trials)
    return runs


def close(
    cfg: DictConfig,
    definition: "Definition",
    study: "Study",
    tracked: "Run | None",
    runs: "TrialRuns",
) -> dict[str, Any]:
    """Logs what the study has found, and registers its best model where that is asked for."""
    from yt8m_exp.registry import versions
    from yt8m_exp.terminal import summary
    from yt8m_exp.tracking import store
    from yt8m_exp.tuning import study_summary

    runs.settle(study.get_trials(deepcopy=False))
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
        note = study_summary.note(study, definition.description)
        tracked.client.set_tag(tracked.id, "mlflow.note.content", note)
    if tracked and cfg.figures:
        from yt8m_exp.tracking.results import log_figures
        from yt8m_exp.tuning import visualization

        if page := visualization.html(study):
            tracked.client.log_text(tracked.id, page, "figures/study.html")
        log_figures(tracked.client, tracked.id, visualization.pictures(study), crop=True)
    if cfg.register and found:
        client = store.connect()
        version = versions.register(client, found[0]["model_uri"], cfg.register)
        client.set_registered_model_alias(cfg.register, versions.CHALLENGER, str(version))
        result |= {"registered": cfg.register, "version": version}
    shares = {
        f"share of {name}": f"{s:.0%}" for name, s in study_summary.importances(study).items()
    }
    best = dict(found[0]) if found else {}
    rows = {**counts, **best.pop("params", {}), **best, **shares}
    title = (
        f"Study {study.study_name}: {study_summary.finished(study)} of {definition.trials} trials"
    )
    summary.show(title, rows, {"Look": f"optuna-dashboard {cfg.storage}"})
    return result

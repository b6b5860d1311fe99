"""Compares runs on one page of HTML, or writes their curves for other tools."""

import csv
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.evaluation import metrics
from yt8m_exp.plots.browser import versus
from yt8m_exp.plots.browser.page import Model
from yt8m_exp.plots.browser.versus import Pair
from yt8m_exp.serving.whole_file import WholeFile
from yt8m_exp.terminal.redaction import redact_page
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import comparison, queries, store
from yt8m_exp.tracking.outbox import tensorboard
from yt8m_exp.tracking.pages import browser
from yt8m_exp.tracking.pages.browser import Logged

TABLE = ".csv"
logger = logging.getLogger(__name__)

COLUMNS = ("run_id", "run", "metric", "step", "value", "milliseconds")


def run(cfg: DictConfig) -> Summary:
    """Compares as a configuration of `conf/compare.yaml` says; no run is opened.

    Returns:
        The ids of the runs, the output, and on how many videos two models were compared, or how
        many points the curves have.

    Raises:
        InputError: a run does not exist, or too few are found: two for a page, one for curves.
    """
    client = store.connect()
    experiment, ids = cfg.tracking.experiment, compose.plain(cfg)["runs"]
    is_curves = cfg.output.endswith((TABLE, "/"))
    least = 1 if is_curves else 2
    runs = comparison.find(client, experiment, ids, cfg.filter, most=cfg.most, least=least)
    if is_curves:
        return _write_curves(client, runs, cfg.output)
    compared = comparison.describe(client, runs)
    for found in compared:
        if found.leaked:
            logger.warning(
                "%s was trained on %s that it was measured on, so its metrics are too high.",
                *(found.name, found.leaked),
            )
    pair = None
    if logged := comparison.predictions(client, runs):
        pair = _pair(logged, [found.name for found in compared])
    output = Path(cfg.output).absolute()
    with WholeFile(output, ()) as file:
        file.write(redact_page(versus.render(compared, metrics.TABLE, pair)).encode())
    result = {
        "runs": [found.run_id for found in compared],
        "output": str(output),
        "shared_videos": len(pair.models[0].found.ids) if pair else None,
    }
    gaps = {found.name: found.values.get(metrics.GAP.key, "not measured") for found in compared}
    first = "evaluate each model on the same shards first: yt8m eval model_uri=... shards=..."
    hint = {} if pair else {"Compare videos": first}
    title = f"{metrics.GAP.title} of {len(compared)} runs"
    return Summary(title, result, {**gaps, "output": str(output)}, hint)


def _pair(logged: list[Logged], names: list[str]) -> Pair:
    first, second = logged
    models = [Model(name, found) for name, found in zip(names, browser.shared(logged), strict=True)]
    return Pair(models, np.array([first.ap, second.ap]), first.positives, first.words)


def _write_curves(client: Any, runs: list[Any], output: str) -> Summary:
    """Writes all curves of runs: a table, or event files in a folder for each run."""
    path, points = Path(output).absolute(), 0
    if output.endswith(TABLE):
        with WholeFile(path, COLUMNS) as file:
            for run, found in queries.histories(client, runs):
                rows = [(p.key, p.step, p.value, p.timestamp) for p in found]
                text = io.StringIO()
                start = run.info.run_id, run.info.run_name
                csv.writer(text, lineterminator="\n").writerows((*start, *row) for row in rows)
                file.write(text.getvalue().encode())
                points += len(rows)
    else:
        for run, found in queries.histories(client, runs):
            tensorboard.write(path / _folder(run.info), found)
            points += len(found)
    result = {"runs": [r.info.run_id for r in runs], "output": str(path), "points": points}
    hints = {"Look": f"tensorboard --logdir {path}"} if path.is_dir() else {}
    return Summary(f"Curves of {len(runs)} runs", result, hints=hints)


def _folder(info: Any) -> str:
    """Returns a name for the folder of a run that TensorBoard can show."""
    name = "".join(c if c.isalnum() or c in "._- " else "_" for c in info.run_name or "run")
    return f"{name} {info.run_id[:6]}"

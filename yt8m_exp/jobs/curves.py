"""Writes the curves of runs that MLflow holds."""

import csv
import io
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.serving.whole_file import WholeFile
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import comparison, store
from yt8m_exp.tracking.outbox import tensorboard

COLUMNS = ("run_id", "run", "metric", "step", "value", "milliseconds")


def run(cfg: DictConfig) -> Summary:
    """Writes as a configuration of `conf/curves.yaml` says; no run is opened.

    Returns:
        The ids of the runs, the output, and how many points it holds.

    Raises:
        InputError: a run does not exist, none is found, or the output cannot be written.
    """
    client = store.connect()
    experiment, ids = cfg.tracking.experiment, compose.plain(cfg)["runs"]
    runs = comparison.find(client, experiment, ids, cfg.filter, most=cfg.most, least=1)
    write = _write_events if cfg.output.endswith("/") else _write_table
    output = Path(cfg.output).absolute()
    points = write(output, ((found, _points(client, found, cfg.metrics)) for found in runs))
    result = {
        "runs": [found.info.run_id for found in runs],
        "output": str(output),
        "points": points,
    }
    hints = {"Look": f"tensorboard --logdir {output}"} if output.is_dir() else {}
    return Summary(f"Curves of {len(runs)} runs", result, hints=hints)


Curves = Iterator[tuple[Run, list[Metric]]]


def _points(client: MlflowClient, run: Run, names: str) -> list[Metric]:
    """Returns the points of the metrics of a run that a glob matches, curve by curve."""
    found = sorted(name for name in run.data.metrics if fnmatchcase(name, names))
    histories = [client.get_metric_history(run.info.run_id, name) for name in found]
    return [
        p for history in histories for p in sorted(history, key=lambda p: (p.step, p.timestamp))
    ]


def _write_table(output: Path, curves: Curves) -> int:
    points = 0
    with WholeFile(output, COLUMNS) as file:
        for run, found in curves:
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            name = (run.info.run_id, run.info.run_name)
            writer.writerows((*name, p.key, p.step, p.value, p.timestamp) for p in found)
            file.write(text.getvalue().encode())
            points += len(found)
    return points


def _write_events(output: Path, curves: Curves) -> int:
    points = 0
    for run, found in curves:
        name = "".join(c if c.isalnum() or c in "._- " else "_" for c in run.info.run_name or "")
        folder = output / f"{name.strip() or 'run'} {run.info.run_id[:6]}"
        tensorboard.write(folder, found)
        points += len(found)
    return points

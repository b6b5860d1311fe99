"""Figures, tables and descriptions that a run shows in MLflow's pages."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from mlflow import MlflowClient

from yt8m_exp.evaluation.metrics import GAP, LOSS
from yt8m_exp.evaluation.ranked import Ranked
from yt8m_exp.plots import classes, curves
from yt8m_exp.plots.style import DOTS_PER_INCH


def log_evaluation(
    client: MlflowClient,
    run_id: str,
    ranked: Ranked,
    names: Sequence[str],
    *,
    frequency: Any | None = None,
) -> None:
    """Logs precision and recall, average precision by class, and the best and worst classes.

    Args:
        client: a client of the tracking store.
        run_id: the run.
        ranked: what a pass over labelled videos gathered.
        names: the names of the classes.
        frequency: videos of each class in training, (C,); None takes those of the evaluation.
    """
    table = classes.class_table(ranked.ap, ranked.positives, names, min_positives=5)
    curve = ranked.curve
    drawn = {
        "precision_recall": curves.precision_recall(
            curve.precision, curve.recall, curve.threshold, gap=ranked.gap
        ),
        "ap_by_frequency": classes.ap_by_frequency(
            ranked.ap,
            ranked.positives if frequency is None else frequency,
            of="evaluation" if frequency is None else "training",
        ),
        "classes": classes.class_chart(table),
    }
    log_figures(client, run_id, drawn)
    client.log_text(run_id, table.to_csv(index=False), "tables/classes.csv")
    client.log_text(run_id, table.round(3).to_html(index=False), "tables/classes.html")


def log_curves(client: MlflowClient, run_id: str, *, best: int) -> None:
    """Logs the curves of a training run, read from MLflow: GAP and loss over examples seen.

    Args:
        client: a client of the tracking store.
        run_id: the run.
        best: examples seen at the best evaluation.
    """
    points = {
        key: sorted((m.step, m.value) for m in client.get_metric_history(run_id, key))
        for key in (GAP.name, LOSS.name, "train/loss")
    }
    drawn: Mapping[str, Figure] = {
        "gap": curves.gap_curve(points[GAP.name], best=best, label=GAP.title),
        "loss": curves.loss_curve(points["train/loss"], points[LOSS.name]),
    }
    log_figures(client, run_id, drawn)


def log_figures(client: MlflowClient, run_id: str, figures: Mapping[str, Figure]) -> None:
    """Logs figures as PNG images, `figures/<name>.png`.

    Args:
        client: a client of the tracking store.
        run_id: the run.
        figures: figures by name.
    """
    matplotlib.use("Agg")  # MLflow imports pyplot, which would look for a display
    save = {"dpi": DOTS_PER_INCH}
    for name, figure in figures.items():
        client.log_figure(run_id, figure, f"figures/{name}.png", save_kwargs=save)

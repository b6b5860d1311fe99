"""The view of an experiment that verbs link: the best runs first, what tells them apart, curves.

MLflow's pages keep a view that was shared as a tag of the experiment, and a link names it by a key.
The form of the tag is that of MLflow 3.17, which documents none.
"""

import json

from mlflow import MlflowClient

KEY = "by-gap"
TAG = f"mlflow.sharedViewState.{KEY}"
TRAINING = "workflowType=machine_learning"
"""Makes MLflow show its menu for training: in a new browser, it has that for language models."""
GAP = "metrics.`best/val/gap`"
COLUMNS = (
    *(GAP, "metrics.`val/gap`", "params.`model`", "params.`data`", "params.`loss`"),
    *("params.`cfg.learning_rate`", "params.`cfg.batch_size`", "params.`cfg.epochs`"),
    *("attributes.`Dataset`", "attributes.`Models`", "tags.`verb`"),
)
NAME = "attributes.`Run Name`"
WIDTHS = {NAME: 310} | dict.fromkeys(COLUMNS, 85)
"""In pixels. A name has to be readable as a whole."""
CURVES = ("val/gap", "train/loss", "val/map")
"""Charts that stand first. Their x axis is the step, which is examples seen."""
SECTION = "curves"
VIEW = {
    "searchFilter": "",
    "orderByKey": GAP,
    "orderByAsc": False,
    "startTime": "ALL",
    "lifecycleFilter": "Active",
    "datasetsFilter": [],
    "modelVersionFilter": "All Runs",
    "selectedColumns": COLUMNS,
    "columnOrder": (NAME, *COLUMNS),
    "columnWidths": WIDTHS,
    "runsHiddenMode": "FIRST_20_RUNS",
    "useGroupedValuesInCharts": True,
    "hideEmptyCharts": True,
    "isAccordionReordered": True,
    "compareRunSections": [
        {"uuid": SECTION, "name": "Curves over examples seen", "display": True, "isReordered": True}
    ],
    "compareRunCharts": [
        {
            "uuid": metric,
            "type": "LINE",
            "metricKey": metric,
            "selectedMetricKeys": [metric],
            "metricSectionId": SECTION,
            "xAxisKey": "step",
            "xAxisScaleType": "linear",
            "scaleType": "linear",
            "lineSmoothness": 0,
            "selectedXAxisMetricKey": "",
            "runsCountToCompare": 10,
            "deleted": False,
            "isGenerated": False,
        }
        for metric in CURVES
    ],
}


def tags() -> dict[str, str]:
    """Returns the tags with which an experiment has the view."""
    return {TAG: json.dumps(VIEW)}


def ensure(client: MlflowClient, experiment_id: str, tags_there: dict[str, str]) -> None:
    """Gives an experiment of before the view."""
    for key, value in tags().items():
        if tags_there.get(key) != value:
            client.set_experiment_tag(experiment_id, key, value)


def page(experiment_id: str) -> str:
    """Returns the view's address below that of a server."""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={KEY}&{TRAINING}"


def run_page(experiment_id: str, run_id: str) -> str:
    """Returns the address of a run below that of a server."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{TRAINING}"

import json

import pytest
from mlflow import MlflowClient

from yt8m_exp.tracking import store
from yt8m_exp.tracking.pages import views


def test_every_experiment_has_the_view_that_verbs_link(folder):
    client = MlflowClient()
    made = store.experiment_id(client, "new")
    before = client.create_experiment("before")
    assert store.experiment_id(client, "before") == before
    for experiment_id in (made, before):
        view = json.loads(client.get_experiment(experiment_id).tags[views.TAG])
        assert view["orderByKey"] == view["selectedColumns"][0] == "metrics.`best/val/gap`"
        assert view["compareRunCharts"][0]["metricKey"] == "val/gap"
        assert {chart["xAxisKey"] for chart in view["compareRunCharts"]} == {"step"}
        assert views.page(experiment_id).startswith(f"#/experiments/{experiment_id}/")


def test_links_name_the_server_or_the_command_that_starts_one(folder, monkeypatch):
    client = MlflowClient()
    run = client.create_run("0").info
    pages = store.pages(client, run)
    assert pages["Look"] == f"mlflow ui --backend-store-uri {client.tracking_uri}"
    assert pages["This run"].startswith(f"http://127.0.0.1:5000/#/experiments/0/runs/{run.run_id}?")


@pytest.mark.parametrize("workspace", ["default", "vision"])
def test_links_to_a_server_name_the_workspace_and_no_password(workspace, monkeypatch):
    if workspace != "default":
        monkeypatch.setenv("MLFLOW_WORKSPACE", workspace)
    client = MlflowClient("https://anna:secret@example.org/mlflow/")
    assert store.address(client, "1", "abc") == (
        "https://example.org/mlflow/#/experiments/1/runs/abc"
        f"?workflowType=machine_learning&workspace={workspace}"
    )

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, RESOURCE_DOES_NOT_EXIST

from yt8m_exp.tracking.connection.client import Client


@pytest.fixture
def met(monkeypatch):
    """Has the first call of a method of MLflow's client meet another process; gathers all calls."""

    def patched(method, code):
        made = []

        def refused_once(self, *arguments):
            made.append(arguments)
            if len(made) == 1:
                raise MlflowException("duplicate key value violates a constraint", code)

        monkeypatch.setattr(MlflowClient, method, refused_once)
        return made

    return patched


def test_a_data_set_that_another_process_logs_first_is_logged_again(met):
    made = met("log_inputs", BAD_REQUEST)
    data = Dataset("yt8m-train", "digest", "local", "{}")
    Client("sqlite://").log_inputs("run", [DatasetInput(data)])
    assert [run_id for run_id, _, _ in made] == ["run", "run"]


@pytest.mark.parametrize(("code", "calls"), [(BAD_REQUEST, 2), (RESOURCE_DOES_NOT_EXIST, 1)])
def test_a_tag_of_an_experiment_that_another_process_sets_is_set_again(met, code, calls):
    """What else another process may be setting is in `registry/test_aliases.py`."""
    made = met("set_experiment_tag", code)
    client = Client("sqlite://")
    if calls == 2:
        client.set_experiment_tag("1", "view", "wide")
    else:
        with pytest.raises(MlflowException, match="duplicate"):
            client.set_experiment_tag("1", "view", "wide")
    assert made == [("1", "view", "wide")] * calls

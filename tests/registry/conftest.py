"""Registered models of a test's own, whose versions are real logged models."""

import itertools
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

NUMBERS = itertools.count()


@pytest.fixture
def name() -> str:
    """The name of a registered model that no other test has."""
    return f"model's {next(NUMBERS)}"


@pytest.fixture
def model(client, trained, name) -> str:
    """The name of a registered model with four versions of one logged model."""
    client.create_registered_model(name)
    for _ in range(4):
        client.create_model_version(name, trained["model_uri"])
    return name


@pytest.fixture
def logged(client, trained, tmp_path: Path) -> Callable[[], str]:
    """Logs small models, each with its own id; returns their URIs."""
    (tmp_path / "model.py").write_text(
        "from mlflow.models import set_model\n"
        "from mlflow.pyfunc import PythonModel\n"
        "class Small(PythonModel):\n"
        "    def predict(self, context, model_input: list[str], params=None):\n"
        "        return model_input\n"
        "set_model(Small())\n"
    )
    experiment = client.get_run(trained["run_id"]).info.experiment_id

    def log() -> str:
        with mlflow.start_run(experiment_id=experiment):
            path = str(tmp_path / "model.py")
            return mlflow.pyfunc.log_model(
                name="best", python_model=path, pip_requirements=[]
            ).model_uri

    return log

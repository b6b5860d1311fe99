"""The client through which everything goes to MLflow, without secrets, and beside others."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    LoggedModelInput,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException

from yt8m_exp.terminal.redaction import redact, redact_page, redacted


class Client(MlflowClient):
    """MLflow's client, which redacts whatever text it sends; see `redaction`.

    It also sets what another process is adding at the same moment. MLflow 3.17 looks whether there
    is a tag, an alias or a data set before it adds it; of two processes that find none, the
    database refuses the second (not reported).
    """

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: dict[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Creates a run; see MLflow's."""
        return super().create_run(experiment_id, start_time, redacted(tags), redacted(run_name))

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Sets a tag; see MLflow's."""
        return super().set_tag(run_id, key, redacted({key: value})[key], synchronous)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> Any:
        """Logs metrics, parameters and tags; see MLflow's."""
        params = [Param(*pair) for pair in redacted({p.key: p.value for p in params}).items()]
        tags = [RunTag(*pair) for pair in redacted({t.key: t.value for t in tags}).items()]
        return super().log_batch(run_id, metrics, params, tags, synchronous)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Logs a text as an artifact; see MLflow's."""
        text = redact_page(text) if artifact_file.endswith(".html") else redact(text)
        super().log_text(run_id, text, artifact_file)

    def log_dict(self, run_id: str, dictionary: dict[str, Any], artifact_file: str) -> None:
        """Logs plain data as an artifact; see MLflow's."""
        super().log_dict(run_id, redacted(dictionary), artifact_file)

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] | None = None,
        models: Sequence[LoggedModelInput] | None = None,
    ) -> None:
        """Logs data sets; see MLflow's."""
        clean = [DatasetInput(_redacted(entry.dataset), entry.tags) for entry in datasets or ()]
        _beside_others(partial(super().log_inputs, run_id, clean, models))

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Sets a tag of an experiment; see MLflow's."""
        _beside_others(partial(super().set_experiment_tag, experiment_id, key, value))

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Sets a tag of a registered model; see MLflow's."""
        _beside_others(partial(super().set_registered_model_tag, name, key, value))

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Sets an alias of a registered model; see MLflow's."""
        _beside_others(partial(super().set_registered_model_alias, name, alias, version))

    def set_model_version_tag(
        self,
        name: str,
        version: str | None = None,
        key: str | None = None,
        value: Any = None,
        stage: str | None = None,
    ) -> None:
        """Sets a tag of a version; see MLflow's."""
        _beside_others(partial(super().set_model_version_tag, name, version, key, value, stage))


def _beside_others(change: Callable[[], object]) -> None:
    """Makes a change once more if it met another process that made the same one."""
    try:
        change()
    except MlflowException as error:
        if error.error_code != "BAD_REQUEST":
            raise
        change()


def _redacted(dataset: Dataset) -> Dataset:
    facts = dataset.to_dictionary()
    return Dataset(**facts | {"source": redact(facts["source"])})

"""The client through which everything goes to MLflow, without secrets."""

from collections.abc import Sequence
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

from yt8m_exp.terminal.redaction import redact, redact_page, redacted


class Client(MlflowClient):
    """MLflow's client, which redacts whatever text it sends; see `redaction`."""

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
        super().log_inputs(run_id, clean, models)


def _redacted(dataset: Dataset) -> Dataset:
    facts = dataset.to_dictionary()
    return Dataset(**facts | {"source": redact(facts["source"])})

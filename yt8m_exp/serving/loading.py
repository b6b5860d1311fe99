"""Models by URI: which one an alias stands for, loaded once."""

import logging
from dataclasses import dataclass

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature

from yt8m_exp.serving.tagger import Tagger

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A model, and which one it is.

    Attributes:
        tagger: what predicts.
        uri: a URI that always means this model; an alias is resolved once.
        model_id: MLflow's id of the logged model, None for one that has none.
        run_id: the run that trained it.
        signature: what it takes and gives, None where that was not logged.
        name, version: of the registered model, None where it was not asked for by name.
    """

    tagger: Tagger
    uri: str
    model_id: str | None
    run_id: str | None
    signature: ModelSignature | None
    name: str | None = None
    version: str | None = None

    def tags(self) -> dict[str, str]:
        """Returns what a run that uses the model is labelled with."""
        facts = {
            "model.uri": self.uri,
            "model.id": self.model_id,
            "model.run_id": self.run_id,
            "model.name": self.name,
            "model.version": self.version,
        }
        return {key: value for key, value in facts.items() if value}

    def require_frames(self) -> None:
        """Raises ValueError where the model takes means of whole videos: they have no segments."""
        if self.tagger.schema.level == "video":
            raise ValueError(
                f"Segments are predicted by models that take frames, but {self.uri} takes features "
                "of whole videos. Give another model_uri, or segments=false."
            )


def resolve(model_uri: str) -> tuple[str, str | None, str | None]:
    """Resolves an alias or `latest` to a version, so that it cannot move while it is in use.

    Returns:
        The URI, and the registered model's name and version where there is one.

    Raises:
        ValueError: there is no such model, version or alias.
    """
    path = model_uri.removeprefix("models:/")
    if path == model_uri or path.startswith("m-") or not any(mark in path for mark in "@/"):
        return model_uri, None, None
    client = mlflow.MlflowClient()
    try:
        if "@" in path:
            name, alias = path.rsplit("@", 1)
            version = client.get_model_version_by_alias(name, alias).version
        else:
            name, version = path.rsplit("/", 1)
            if version == "latest":
                version = max(
                    (found.version for found in client.search_model_versions(f"name='{name}'")),
                    key=int,
                    default="1",
                )
            client.get_model_version(name, version)
    except MlflowException as error:
        raise ValueError(_missing(model_uri, error)) from error
    return f"models:/{name}/{version}", name, str(version)


def load(model_uri: str) -> Loaded:
    """Loads a model that `packaging.log_model` logged.

    Args:
        model_uri: `models:/<name>@<alias>`, `models:/<name>/<version>`, `models:/<model id>`,
            `runs:/<run id>/<name>`, or a folder.

    Raises:
        ValueError: there is no such model, or it is of another kind.
    """
    uri, name, version = resolve(model_uri)
    try:
        loaded = mlflow.pyfunc.load_model(uri)
    except (MlflowException, OSError) as error:
        raise ValueError(_missing(model_uri, error)) from error
    tagger = loaded.unwrap_python_model()
    if not hasattr(tagger, "predictor"):
        raise ValueError(f"{model_uri} is no model of this project: {type(tagger).__name__}.")
    metadata = loaded.metadata
    logger.info("%s: %s", model_uri, uri if uri != model_uri else metadata.model_id)
    signature = metadata.signature
    return Loaded(tagger, uri, metadata.model_id, metadata.run_id, signature, name, version)


def _missing(model_uri: str, error: Exception) -> str:
    return (
        f"No model at {model_uri!r} in {mlflow.get_tracking_uri()} ({error}). Train and register "
        "one: python -m yt8m_exp.train register=yt8m"
    )

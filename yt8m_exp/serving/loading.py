"""Loads models by URI; an alias is resolved once."""

import logging
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlflow
from mlflow.entities import LoggedModelInput
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature

from yt8m_exp.serving import uris
from yt8m_exp.serving.tagger import Tagger
from yt8m_exp.spec import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A loaded model and its identity.

    Attributes:
        tagger: the model, which predicts.
        uri: a URI that always means this model; an alias is resolved once.
        model_id: MLflow's id of the logged model; None if it has none.
        run_id: the run that trained it.
        signature: its inputs and outputs; None if they were not logged.
        name, version: of the registered model; None if the URI does not name one.
    """

    tagger: Tagger
    uri: str
    model_id: str | None
    run_id: str | None
    signature: ModelSignature | None
    name: str | None = None
    version: str | None = None

    @property
    def title(self) -> str:
        """Its short name: yt8m v3, or moe without a registered version."""
        return f"{self.name} v{self.version}" if self.name else self.tagger.model.name

    def tags(self) -> dict[str, str]:
        """Returns the tags for a run that uses the model."""
        facts = {
            "model.uri": self.uri,
            "model.id": self.model_id,
            "model.run_id": self.run_id,
            "model.name": self.name,
            "model.version": self.version,
        }
        return {key: value for key, value in facts.items() if value}

    def label(self, client: mlflow.MlflowClient, run_id: str, *, role: str = "model") -> None:
        """Tags a run with the model that it uses, and links the two.

        Args:
            client: a client of the tracking store.
            run_id: the run.
            role: of the model in the run, with which the tags begin.
        """
        for key, value in self.tags().items():
            client.set_tag(run_id, key.replace("model", role, 1), value)
        if self.model_id and self.uri.startswith("models:/"):
            client.log_inputs(run_id, models=[LoggedModelInput(self.model_id)])

    def require_frames(self) -> None:
        """Raises InputError if the model takes features of whole videos, which have no segments."""
        uris.require_frames(self.uri, self.tagger.schema)


def load(model_uri: str) -> Loaded:
    """Loads a model that `packaging.log_model` logged.

    Args:
        model_uri: `models:/<name>@<alias>`, `models:/<name>/<version>`, `models:/<model id>`,
            `runs:/<run id>/<name>`, or a folder.

    Raises:
        InputError: there is no such model, or it is of another kind.
    """
    uri, name, version = uris.resolve(model_uri)
    try:
        loaded = mlflow.pyfunc.load_model(uri, suppress_warnings=True)
    except (MlflowException, OSError) as error:
        raise InputError(uris.missing(model_uri, error)) from error
    tagger = loaded.unwrap_python_model()
    if not hasattr(tagger, "predictor"):
        raise InputError(f"{model_uri} is no model of this project: {type(tagger).__name__}.")
    if name:  # whatever another process that loads the same model has written beside it since
        tagger.version = f"{name}/{version}"
    metadata = loaded.metadata
    logger.info("%s: %s", model_uri, uri if uri != model_uri else metadata.model_id)
    _warn_of_versions(tagger.model_file.parents[1] / "requirements.txt", model_uri)
    signature = metadata.signature
    return Loaded(tagger, uri, metadata.model_id, metadata.run_id, signature, name, version)


def _warn_of_versions(requirements: Path, model_uri: str) -> None:
    """Says which packages have other versions than those that a model was logged with.

    MLflow would say so, too, but reads the metadata of all packages for that: 0.7 s.
    """
    others = []
    for line in requirements.read_text().split():
        package, _, wanted = line.partition("==")
        if wanted and (found := _installed(package)) != wanted:
            others.append(f"{line} (here {found})")
    if others:
        logger.warning("%s was logged with other versions: %s.", model_uri, ", ".join(others))


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"

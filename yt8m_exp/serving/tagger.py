"""The model that MLflow logs and serves: a pyfunc around a `.keras` file.

It takes a DataFrame of features or of serialized records, see `requests`. It returns class ids,
names and probabilities, and the name of the model that gave them.
"""

import importlib
import json
import pkgutil
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

from yt8m_exp import models, spec
from yt8m_exp.data import vocabulary
from yt8m_exp.data.tfrecords import records
from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation.scoring import best, predictor
from yt8m_exp.models import frames
from yt8m_exp.serving import requests
from yt8m_exp.spec import InputError
from yt8m_exp.terminal import quiet

WRITING_SECONDS = 1.0
ANSWER = ("id", "class_ids", "class_names", "probabilities", "model")


class BadRequest(MlflowException, ValueError):
    """A request that cannot be answered: a server shows the sentence, and no stack trace."""

    def __init__(self, sentence: str):
        super().__init__(sentence, error_code=INVALID_PARAMETER_VALUE)


class Tagger(PythonModel):
    """Predicts classes of videos.

    Attributes:
        model: the Keras model, from named features to probabilities.
        schema: sizes of the features and the number of classes.
        words: names and verticals of the classes.
        names: the name of each class, in the order of class ids.
        about: what the model was trained with, as plain data.
        model_file: the model's file.
        model_bytes: its size.
        version: `<name>/<version>` of the registered model, or else MLflow's id of the model.
    """

    model: keras.Model
    schema: records.Schema
    words: Vocabulary
    names: np.ndarray
    about: dict[str, Any]
    model_file: Path
    model_bytes: int
    version: str

    def load_context(self, context):
        for module in pkgutil.walk_packages(models.__path__, f"{models.__name__}."):
            importlib.import_module(module.name)  # Keras must know the layers that a file holds
        files = context.artifacts
        with quiet.without_chatter():
            self.model = keras.saving.load_model(files["model"], compile=False, safe_mode=True)
        self.schema = schema(self.model)
        self.words = vocabulary.read(files["vocabulary"], self.schema.classes)
        self.names = np.array(self.words.names, object)
        self.about = json.loads(Path(files["about"]).read_text())
        self.model_file = Path(files["model"])
        self.model_bytes = self.model_file.stat().st_size
        self.version = _version(Path(files["model"]).parents[1])
        self.predictor = predictor(self.model)

    def predict(self, context, model_input: pd.DataFrame, params=None):  # MLflow needs the hint
        try:
            given = {key: value for key, value in (params or {}).items() if value is not None}
            return self._answer(model_input, **given)
        except ValueError as error:
            raise BadRequest(str(error)) from None

    def _answer(
        self, rows: pd.DataFrame, top_k: int = spec.TOP_K, threshold: float = 0.0
    ) -> pd.DataFrame:
        if top_k < 1:
            raise InputError(f"`top_k >= 1` must hold, but got top_k={top_k}.")
        if not 0 <= threshold <= 1:
            raise InputError(f"`0 <= threshold <= 1` must hold, but got threshold={threshold}.")
        if requests.is_empty(rows, self.schema):
            return pd.DataFrame(columns=ANSWER)
        ids, batch = requests.batch(rows, self.schema)
        found = best(batch, self.predictor(batch), int(top_k))
        counts = (found.scores >= threshold).sum(axis=1)  # scores fall, so these come first
        rows_of = zip(found.class_ids, found.scores, counts.tolist(), strict=True)
        kept = [(class_ids[:count], scores[:count]) for class_ids, scores, count in rows_of]
        columns = (
            ids,
            [class_ids.tolist() for class_ids, _ in kept],
            [self.names[class_ids].tolist() for class_ids, _ in kept],
            [scores.astype(float).tolist() for _, scores in kept],
            self.version,
        )
        return pd.DataFrame(dict(zip(ANSWER, columns, strict=True)))


def schema(model: keras.Model) -> records.Schema:
    """Returns what a record must hold for a model to predict it."""
    features = {name: tensor.shape[-1] for name, tensor in model.input.items() if name != "frames"}
    classes = model.output.shape[-1]
    if "frames" not in model.input:
        return records.Schema(features, classes)
    return records.Schema(features, classes, "frame", frames.max_frames(model))


def _version(folder: Path) -> str:
    """Returns the name of the model in a folder, from the files that MLflow writes beside it."""
    beside = folder / "registered_model_meta"  # exists if the model was loaded by name
    registered = _written(beside) if beside.exists() else {}
    if registered.get("model_version"):
        return f"{registered['model_name']}/{registered['model_version']}"
    return yaml.safe_load((folder / "MLmodel").read_text()).get("model_id") or folder.name


def _written(file: Path) -> dict[str, Any]:
    """Reads a file that MLflow 3.17 empties and writes each time that a process loads the model."""
    end = time.monotonic() + WRITING_SECONDS
    while not (found := yaml.safe_load(file.read_text())) and time.monotonic() < end:
        time.sleep(0.01)
    return found or {}  # empty still: its writer was killed

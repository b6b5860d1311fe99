"""The model as others receive it: an MLflow pyfunc from code around a `.keras` file.

It takes a DataFrame with a column for each feature (arrays of floats), or with a column `record` of
serialized `tf.Example`s, and answers with class ids, names and probabilities.
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

from yt8m_exp import spec
from yt8m_exp.data import records, tfrecord, vocabulary, wire
from yt8m_exp.evaluation.scoring import predictor

# Their layers must be known to Keras before a file that holds them is read.
from yt8m_exp.models import heads, inputs  # noqa: F401 (registers layers)

RECORD = "record"


class Tagger(PythonModel):
    """Predicts classes of videos.

    Attributes:
        model: the Keras model, from named features to probabilities.
        schema: sizes of the features and the number of classes.
        names: the name of each class, in the order of class ids.
        about: what the model was trained with, as plain data.
    """

    model: keras.Model
    schema: records.Schema
    names: np.ndarray
    about: dict[str, Any]

    def load_context(self, context):
        files = context.artifacts
        self.model = keras.saving.load_model(files["model"], compile=False, safe_mode=True)
        features = {name: tensor.shape[-1] for name, tensor in self.model.input.items()}
        self.schema = records.Schema(features, self.model.output.shape[-1])
        words = vocabulary.read(files["vocabulary"], self.schema.classes)
        self.names = np.array(words.names, object)
        self.about = json.loads(Path(files["about"]).read_text())
        self.predictor = predictor(self.model)

    def predict(self, context, model_input: pd.DataFrame, params=None):  # MLflow wants the hint
        top_k = int((params or {}).get("top_k", spec.TOP_K))
        if top_k < 1:
            raise ValueError(f"`top_k >= 1` must hold, but got top_k={top_k}.")
        ids, batch = self.batch(model_input)
        best = self.predictor(batch, top_k)
        return pd.DataFrame({
            "id": ids,
            "class_ids": best.class_ids.tolist(),
            "class_names": self.names[best.class_ids].tolist(),
            "probabilities": best.scores.astype(float).tolist(),
        })  # fmt: skip

    def batch(self, rows: pd.DataFrame) -> tuple[list[str], dict[str, np.ndarray]]:
        """Turns the rows of a request into ids and a batch.

        Raises:
            ValueError: a row does not hold what the model needs; the row and column are named.
        """
        if RECORD in rows:
            return self._from_records(rows[RECORD].tolist())
        missing = [name for name in self.schema.features if name not in rows]
        if missing:
            raise ValueError(
                f"Expected a column for each of {list(self.schema.features)}, or `{RECORD}` with "
                f"serialized tf.Examples, but {missing} are missing."
            )
        batch = {name: _matrix(rows[name], size) for name, size in self.schema.features.items()}
        ids = rows["id"].astype(str).tolist() if "id" in rows else [str(row) for row in rows.index]
        return ids, batch | {"labels": np.full((len(rows), 1), -1, np.int32)}

    def _from_records(self, serialized: list[bytes]) -> tuple[list[str], dict[str, np.ndarray]]:
        lengths = np.array([len(record) for record in serialized], np.int64)
        spans = tfrecord.Spans(np.cumsum(lengths) - lengths, lengths)
        buffer = np.frombuffer(b"".join(serialized) + bytes(wire.PADDING), np.uint8)
        videos, problems = records.decode(buffer, spans, self.schema)
        if problems:
            raise ValueError(f"Row {problems[0].record}, column `{RECORD}`: {problems[0].text}")
        batch = videos.batch(np.arange(len(videos.ids)))
        for name in self.schema.features:
            finite = np.isfinite(batch[name]).all(axis=tuple(range(1, batch[name].ndim)))
            if not finite.all():
                raise ValueError(
                    f"Row {int(finite.argmin())}, column `{RECORD}`: expected `{name}` of finite "
                    "numbers, but it holds NaN or infinity."
                )
        ids = [video.decode(errors="replace") for video in videos.ids]
        return ids, batch | {"labels": np.full((len(ids), 1), -1, np.int32)}


def _matrix(column: pd.Series, size: int) -> np.ndarray:
    matrix = np.empty((len(column), size), np.float32)
    for row, value in enumerate(column):
        array = np.asarray(value, np.float32)
        if array.shape != (size,) or not np.isfinite(array).all():
            raise ValueError(
                f"Row {row}, column `{column.name}`: expected {size} finite numbers, but got an "
                f"array of shape {array.shape}."
            )
        matrix[row] = array
    return matrix

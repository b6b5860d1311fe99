"""The model as others receive it: an MLflow pyfunc from code around a `.keras` file.

It takes a DataFrame of features or of serialized records, see `requests`, and answers with class
ids, names and probabilities.
"""

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

from yt8m_exp import models, spec
from yt8m_exp.data import records, vocabulary
from yt8m_exp.evaluation.scoring import predictor
from yt8m_exp.models import frames
from yt8m_exp.serving import requests


class Tagger(PythonModel):
    """Predicts classes of videos.

    Attributes:
        model: the Keras model, from named features to probabilities.
        schema: sizes of the features and the number of classes.
        names: the name of each class, in the order of class ids.
        about: what the model was trained with, as plain data.
        model_bytes: size of the model's file.
    """

    model: keras.Model
    schema: records.Schema
    names: np.ndarray
    about: dict[str, Any]
    model_bytes: int

    def load_context(self, context):
        for module in pkgutil.iter_modules(models.__path__, f"{models.__name__}."):
            importlib.import_module(module.name)  # Keras must know the layers that a file holds
        files = context.artifacts
        self.model = keras.saving.load_model(files["model"], compile=False, safe_mode=True)
        self.schema = schema(self.model)
        words = vocabulary.read(files["vocabulary"], self.schema.classes)
        self.names = np.array(words.names, object)
        self.about = json.loads(Path(files["about"]).read_text())
        self.model_bytes = Path(files["model"]).stat().st_size
        self.predictor = predictor(self.model)

    def predict(self, context, model_input: pd.DataFrame, params=None):  # MLflow wants the hint
        top_k = int((params or {}).get("top_k", spec.TOP_K))
        if top_k < 1:
            raise ValueError(f"`top_k >= 1` must hold, but got top_k={top_k}.")
        ids, batch = requests.batch(model_input, self.schema)
        best = self.predictor(batch, top_k)
        return pd.DataFrame({
            "id": ids,
            "class_ids": best.class_ids.tolist(),
            "class_names": self.names[best.class_ids].tolist(),
            "probabilities": best.scores.astype(float).tolist(),
        })  # fmt: skip


def schema(model: keras.Model) -> records.Schema:
    """Returns what a record must hold for a model to predict it."""
    features = {name: tensor.shape[-1] for name, tensor in model.input.items() if name != "frames"}
    classes = model.output.shape[-1]
    if "frames" not in model.input:
        return records.Schema(features, classes)
    kept = [layer.max_frames for layer in model.layers if isinstance(layer, frames.Choose)]
    return records.Schema(features, classes, "frame", max(kept, default=spec.MAX_FRAMES))

"""Logs a trained model to MLflow in the form that `tagger` serves."""

import json
import logging
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import mlflow
from mlflow.entities import LoggedModelStatus, Metric
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array

from yt8m_exp import spec
from yt8m_exp.data import vocabulary
from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.serving import tagger
from yt8m_exp.serving.requests import RECORD
from yt8m_exp.terminal.redaction import redacted
from yt8m_exp.tracking import store
from yt8m_exp.tracking.pages import logged_models

RUN_CHARACTERS = 8  # of a run's id, in the name of a model
PACKAGE = Path(__file__).parents[1]
CODE = ("__init__.py", "spec.py", "terminal", "stores", "data", "models", "evaluation", "serving")
"""What of the package a model includes: all that it imports, of which it needs no more."""
REQUIREMENTS = ("mlflow", "tensorflow", "keras", "numpy", "numba", "pandas", "google-crc32c")


def log_model(
    path: Path,
    *,
    role: str,
    step: int,
    words: Vocabulary,
    about: Mapping[str, Any],
    model: keras.Model | None = None,
) -> str:
    """Logs a `.keras` file as a model of the active run, unless the run has logged it before.

    The model is named after itself and the run. What a process left unfinished that died in logging
    a model of this role is deleted.

    Args:
        path: the file.
        role: what it is within the run: best, last, imported.
        step: examples seen.
        words: the names of its classes.
        about: what it was trained with, as plain data; kept beside it as `about.json`.
        model: a loaded model of the same architecture, if there is one; its weights do not matter.

    Returns:
        The id of the logged model.
    """
    params = {"weights.crc32": _weights_crc32(path), "examples": step}
    if before := _logged_before(role, params):
        return before
    model = model or keras.saving.load_model(path, compile=False, safe_mode=True)
    with tempfile.TemporaryDirectory() as folder:
        facts = Path(folder) / "about.json"
        facts.write_text(json.dumps(redacted(about), indent=1))
        names = Path(folder) / "vocabulary.csv"
        _write_vocabulary(names, words)
        with _quiet():
            info: ModelInfo = mlflow.pyfunc.log_model(
                name=_name(model, role),
                tags={logged_models.ROLE: role},
                python_model=str(PACKAGE / "serving" / "pyfunc.py"),
                artifacts={
                    "model": str(path),
                    "vocabulary": str(names),
                    "about": str(facts),
                },
                code_paths=[str(_code(Path(folder)))],
                signature=signature(model),
                pip_requirements=[f"{package}=={version(package)}" for package in REQUIREMENTS],
                params=_facts(path, model, words) | params,
                model_type="keras",
                step=step,
            )
    return str(info.model_id)


def _code(folder: Path) -> Path:
    """Makes a package in a folder that has what a model includes: a server takes file by file."""
    package = folder / PACKAGE.name
    package.mkdir()
    for name in CODE:
        (package / name).symlink_to(PACKAGE / name)
    return package


def _logged_before(role: str, params: Mapping[str, Any]) -> str | None:
    """Returns the id of a model that the active run has logged with these parameters."""
    run, client = mlflow.active_run(), mlflow.MlflowClient()
    if run is None:
        return None
    for model in logged_models.of_run(client, run, role):
        if model.status != LoggedModelStatus.READY:
            client.delete_logged_model(model.model_id)
        elif {key: str(value) for key, value in params.items()}.items() <= model.params.items():
            return str(model.model_id)
    return None


def _weights_crc32(path: Path) -> int:
    """Returns the checksum of a `.keras` file's weights; other parts of it hold the time."""
    with zipfile.ZipFile(path) as file:
        return file.getinfo("model.weights.h5").CRC


def log_metrics(
    run_id: str,
    model_id: str | None,
    metrics: Mapping[str, float],
    *,
    step: int,
    data: tuple[str, str],
) -> None:
    """Logs metrics that belong to a model and to the data they were measured on, each once.

    Args:
        run_id: the run that measured them.
        model_id: the model.
        metrics: values by name.
        step: examples the model had seen.
        data: name and digest of the dataset.
    """
    now, client = int(time.time() * 1000), mlflow.MlflowClient()
    known = client.get_logged_model(model_id).metrics or [] if model_id else []
    there = {(metric.key, metric.step) for metric in known if metric.run_id == run_id}
    points = [
        Metric(key, value, now, step, model_id, *data, run_id=run_id)
        for key, value in metrics.items()
        if (key, step) not in there
    ]
    client.log_batch(run_id, metrics=points)


def signature(model: keras.Model) -> ModelSignature:
    """Returns the inputs and outputs of the model, against which MLflow checks requests."""
    schema = tagger.schema(model)
    # At video level, floats of any width; at frame level, bytes, base64 or arrays of frames.
    value = Array(DataType.double) if schema.level == "video" else AnyType()
    features = [ColSpec(value, name, required=False) for name in schema.features]
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "id", required=False),
        ColSpec(DataType.binary, RECORD, required=False),
        *features,
    ]
    answers: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "id"),
        ColSpec(Array(DataType.long), "class_ids"),
        ColSpec(Array(DataType.string), "class_names"),
        ColSpec(Array(DataType.double), "probabilities"),
        ColSpec(DataType.string, "model"),
    ]
    params = ParamSchema([
        ParamSpec("top_k", DataType.long, spec.TOP_K),
        ParamSpec("threshold", DataType.double, 0.0),
    ])  # fmt: skip
    return ModelSignature(Schema(columns), Schema(answers), params)


def _name(model: keras.Model, role: str) -> str:
    """Returns a name that tells the models of an experiment apart: moe-1bffebe1."""
    run = mlflow.active_run()
    parts = [model.name, run.info.run_id[:RUN_CHARACTERS] if run else "", role]
    return "-".join(part for part in parts if part and part != logged_models.BEST)


def _facts(path: Path, model: keras.Model, words: Vocabulary) -> dict[str, Any]:
    """Returns the facts that a decision on the model needs; a version of it copies them."""
    schema = tagger.schema(model)
    return {
        "parameters": model.count_params(),
        "bytes": path.stat().st_size,
        "features": json.dumps(dict(schema.features)),
        "classes": schema.classes,
        "level": schema.level,
        "vocabulary.digest": vocabulary.digest(words.names),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides MLflow's progress bars for single files, and hints that do not apply to a signature.

    Once in a process, MLflow also compares the requirements with the installed packages, from which
    they were made. This takes 0.3 s, and no setting of MLflow 3.17 avoids it (not reported).
    """
    logger = logging.getLogger("mlflow.utils.environment")  # warns that pip is missing, as with uv
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with store.no_bars(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*(type hints|input example).*")
            yield
    finally:
        logger.setLevel(level)


def _write_vocabulary(path: Path, words: Vocabulary) -> None:
    if words.path:
        path.write_bytes(words.path.read_bytes())
        return
    path.write_text("index,name\n" + "".join(f"{i},\n" for i in range(len(words.names))))

"""Makes a model of a checkpoint of Google's starter code, and logs it as training does."""

import tempfile
from pathlib import Path
from typing import Any

import keras
from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import vocabulary
from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.jobs.opened import opened
from yt8m_exp.registry import versions
from yt8m_exp.serving import packaging
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking.runs import Run
from yt8m_exp.training import starter_checkpoints

VOCABULARY = Path(__file__).parents[2] / "sample" / "vocabulary.csv"


def run(cfg: DictConfig) -> Summary:
    """Imports as a configuration of `conf/import_checkpoint.yaml` says.

    Returns:
        The run's id, the model's URI, and its version where it was registered.

    Raises:
        FileNotFoundError: there is no checkpoint or vocabulary.
        ValueError: the checkpoint does not fit the model, or the vocabulary its classes.
    """
    plain = compose.plain(cfg)
    model = starter_checkpoints.load(
        cfg.checkpoint, cfg.kind, features=plain["features"], options=plain["options"] or {}
    )
    names = _names(cfg, model.output.shape[-1])
    with opened("import_checkpoint", cfg, name=cfg.kind) as tracked:
        model_uri = _logged(model, tracked, names, cfg.checkpoint)
        result: dict[str, Any] = {"run_id": tracked.id, "model_uri": model_uri}
        if cfg.register:
            version = versions.register(tracked.client, model_uri, cfg.register)
            result |= {"registered": cfg.register, "version": version}
    predict = f"python -m yt8m_exp.inference model_uri={model_uri}"
    return Summary(f"{model.name} of {cfg.checkpoint}", result, hints={"Predict": predict})


def _names(cfg: DictConfig, classes: int) -> Vocabulary:
    default = VOCABULARY if classes == spec.CLASSES else None
    return vocabulary.read(cfg.vocabulary or default, classes)


def _logged(model: keras.Model, tracked: Run, names: Vocabulary, checkpoint: str) -> str:
    """Logs the model; returns its URI."""
    about = {"run_id": tracked.id, "examples": 0, "checkpoint": checkpoint}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "imported.keras"
        model.save(path)
        info = packaging.log_model(path, name="imported", step=0, words=names, about=about)
    return info.model_uri

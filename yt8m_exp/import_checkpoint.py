"""Makes a model of a checkpoint of Google's starter code, and logs it as training does."""

import tempfile
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command, spec

VOCABULARY = Path(__file__).parents[1] / "sample" / "vocabulary.csv"


def run(cfg: DictConfig) -> dict[str, Any]:
    """Imports as a configuration of `conf/import_checkpoint.yaml` says.

    Returns:
        The run's id, the model's URI, and its version where it was registered.

    Raises:
        FileNotFoundError: there is no checkpoint or vocabulary.
        ValueError: the checkpoint does not fit the model, or the vocabulary its classes.
    """
    from yt8m_exp.tracking.runs import open_run

    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    with open_run(
        "import_checkpoint",
        experiment=cfg.tracking.experiment,
        config=config,
        root=Path(cfg.tracking.runs),
        name=cfg.tracking.run_name or cfg.kind,
        system_metrics=cfg.tracking.system_metrics,
    ) as tracked:
        from yt8m_exp.data import vocabulary
        from yt8m_exp.terminal import quiet, summary

        with quiet.startup():
            from yt8m_exp.registry import versions
            from yt8m_exp.serving import packaging
            from yt8m_exp.training import starter_checkpoints

        model = starter_checkpoints.load(
            cfg.checkpoint, cfg.kind, features=config["features"], options=config["options"] or {}
        )
        classes = model.output.shape[-1]
        words = vocabulary.read(
            cfg.vocabulary or (VOCABULARY if classes == spec.CLASSES else None),
            classes,
            key="vocabulary",
        )
        about = {"run_id": tracked.id, "examples": 0, "checkpoint": str(cfg.checkpoint)}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "imported.keras"
            model.save(path)
            info = packaging.log_model(path, name="imported", step=0, words=words, about=about)
        result: dict[str, Any] = {"run_id": tracked.id, "model_uri": info.model_uri}
        if cfg.register:
            version = versions.register(tracked.client, info.model_uri, cfg.register)
            result |= {"registered": cfg.register, "version": version}
        predict = f"python -m yt8m_exp.inference model_uri={info.model_uri}"
        summary.show(f"{model.name} of {cfg.checkpoint}", result, {"Predict": predict})
        return result


if __name__ == "__main__":
    command.run("import_checkpoint", run)

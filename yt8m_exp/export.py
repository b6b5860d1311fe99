"""Writes a model as a SavedModel, for TensorFlow Serving, batch jobs or MediaPipe."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp import command


def run(cfg: DictConfig) -> dict[str, Any]:
    """Exports as a configuration of `conf/export.yaml` says.

    Returns:
        The folder, the form, and which model it is.

    Raises:
        ValueError: there is no such model or form, or the folder holds something.
    """
    from yt8m_exp.terminal import quiet, summary
    from yt8m_exp.tracking import store

    store.connect()
    with quiet.startup():
        from yt8m_exp.serving import exports, loading

    model = loading.load(cfg.model_uri)
    exports.export(model.tagger.model, model.tagger.schema, cfg.output, form=cfg.form)
    folder = str(Path(cfg.output).absolute())
    result = {"output": folder, "form": cfg.form, "model": model.tagger.version}
    summary.show(f"Export of {model.uri}", result, {})
    return result


if __name__ == "__main__":
    command.run("export", run)

"""Writes a model as a SavedModel, for TensorFlow Serving, batch jobs or MediaPipe."""

from omegaconf import DictConfig

from yt8m_exp.models.ensembles import compact
from yt8m_exp.serving import exports, loading, whole_file
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import store


def run(cfg: DictConfig) -> Summary:
    """Exports as a configuration of `conf/export.yaml` says.

    Returns:
        The folder, the form, and which model it is.

    Raises:
        InputError: there is no such model or form, or the folder is not empty.
    """
    store.connect()
    model = loading.load(cfg.model_uri)
    small = compact.build(model.tagger.model, cfg.precision)
    exports.export(small, model.tagger.schema, cfg.output, form=cfg.form)
    result = {
        "output": whole_file.absolute(cfg.output),
        "form": cfg.form,
        "model": model.tagger.version,
    }
    return Summary(f"Export of {model.uri}", result)

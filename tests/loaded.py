"""Loads, when it is imported, what verbs load: they are forked from a process that imports this."""

import importlib

from yt8m_exp.terminal import quiet

quiet.load_tensorflow()

from mlflow.utils import requirements_utils  # noqa: E402  it loads TensorFlow, not as quietly

from yt8m_exp.config import compose  # noqa: E402
from yt8m_exp.config.doors import verbs  # noqa: E402
from yt8m_exp.data.tfrecords import compiled, warming  # noqa: E402
from yt8m_exp.evaluation import top_k  # noqa: E402
from yt8m_exp.serving import lines  # noqa: E402
from yt8m_exp.training import loss_values  # noqa: E402

with quiet.uncollected():
    for name in (
        *(
            f"yt8m_exp.jobs.{verb}"
            for verb in ("steps.checks.inputs", "steps.checks.preflight", *verbs())
        ),
        "yt8m_exp.config.schema",
        "tests.verbs",
        "mlflow.cli",
        "git",  # which MLflow imports when it opens a run
        "mlflow.store.tracking.sqlalchemy_store",
        "mlflow.store.model_registry.sqlalchemy_store",
        "mlflow.store.tracking.sqlalchemy_workspace_store",
        "mlflow.tracing.processor.base_mlflow",  # which MLflow imports when it is given a store
        *("psycopg", "sqlalchemy.dialects.sqlite"),
        "matplotlib.backends.backend_agg",
        "optuna.importance",  # with SciPy and scikit-learn, for the page of a study
    ):
        importlib.import_module(name)

compose.compose("train")  # Hydra's parser is slower at first
warming.warm([*compiled.calls("video"), *compiled.calls("frame")])
warming.warm([*top_k.calls(), *loss_values.calls(), *lines.calls()])
# MLflow 3.17 reads the metadata of all packages when it first logs or loads a model, for 0.7 s.
requirements_utils._init_modules_to_packages_map()

"""Loads and does, when it is imported, what verbs load and do at first.

They are forked from a process that imports this. TensorFlow's operations must not run in it: their
threads would be missing in what is forked.
"""

import importlib
import pkgutil
from contextlib import suppress

from yt8m_exp.terminal import quiet

quiet.load_tensorflow()

from hydra.core.override_parser.overrides_parser import OverridesParser  # noqa: E402
from mlflow.utils import requirements_utils  # noqa: E402  it loads TensorFlow, not as quietly
from mlflow.utils.search_utils import SearchUtils  # noqa: E402
from PIL import Image  # noqa: E402

import yt8m_exp  # noqa: E402
from tests import once  # noqa: E402
from yt8m_exp.config import compose, doors, schema  # noqa: E402
from yt8m_exp.data.tfrecords import compiled, warming  # noqa: E402
from yt8m_exp.evaluation import top_k  # noqa: E402
from yt8m_exp.serving import lines  # noqa: E402
from yt8m_exp.spec import InputError  # noqa: E402
from yt8m_exp.training import loss_values  # noqa: E402

WORDS = ["+a=[b,1.5,'c d']", "++e={f:null,g:true}", "h=1e-3", "k=a/b.c@d", "~l"]
"""Overrides of each kind that tests write."""

with quiet.uncollected():
    for module in pkgutil.walk_packages(yt8m_exp.__path__, "yt8m_exp."):
        if module.name.count(".") > 1 or module.name == "yt8m_exp.cli":  # other files are doors
            importlib.import_module(module.name)
    for name in (
        "tests.verbs",
        "mlflow.cli",
        "git",  # which MLflow imports when it opens a run
        "mlflow.models.display_utils",
        "mlflow.store.tracking.sqlalchemy_store",
        "mlflow.store.model_registry.sqlalchemy_store",
        "mlflow.store.model_registry.sqlalchemy_workspace_store",
        "mlflow.store.tracking.sqlalchemy_workspace_store",
        "mlflow.tracing.processor.base_mlflow",  # which MLflow imports when it is given a store
        "mlflow.tracing.processor.otel",
        "mlflow.utils.search_logged_model_utils",
        *("psycopg", "sqlalchemy.dialects.sqlite"),
        *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
        *("encodings.cp437", "pyarrow.pandas_compat", "rich._emoji_codes"),
        "optuna.importance",  # with SciPy and scikit-learn, for the page of a study
    ):
        importlib.import_module(name)
    Image.preinit()

once.read_configurations()
for verb in doors.verbs():
    with suppress(InputError):  # some have keys that must be given
        schema.check(verb, compose.plain(compose.compose(verb)))
OverridesParser.create().parse_overrides(WORDS)
SearchUtils.parse_search_filter("tags.`a.b` = 'c' and attributes.status = 'd' and metrics.`e` > 0")
warming.warm([*compiled.calls("video"), *compiled.calls("frame")])
warming.warm([*top_k.calls(), *loss_values.calls(), *lines.calls()])
# MLflow 3.17 reads the metadata of all packages when it first logs or loads a model, for 0.7 s.
requirements_utils._init_modules_to_packages_map()
once.read_schema()

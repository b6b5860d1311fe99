"""Makes `mlflow run .` of this project file its runs in the experiment of all other runs.

`mlflow run` makes the run before the verb starts, in `Default` unless an option or a variable names
an experiment. MLflow asks the classes of the entry point `mlflow.default_experiment_provider` for
another one, and pyproject.toml names this class there. It stands outside of the package because
MLflow loads it with itself, and a model brings a package of its own, which must then come first.
"""

import logging
import sys
from pathlib import Path

FILE = Path(__file__).name
EXPERIMENT = "yt8m"
"""The default of `tracking.experiment`."""
CHATTY = ("mlflow.projects", "mlflow.store.db.utils", "alembic")
"""What logs lines in `mlflow run` that nobody can act on."""


class DefaultExperiment:
    """The experiment of runs for which none is named; see MLflow's `DefaultExperimentProvider`."""

    def in_context(self) -> bool:
        """Returns whether this process is `mlflow run` of this project."""
        program, *words = sys.argv or [""]
        is_mlflow = Path(program).stem == "mlflow" or Path(program).parent.name == "mlflow"
        place = next((word for word in words[1:] if (Path(word) / "MLproject").is_file()), "")
        folder = Path(place).resolve()
        # Not compared with the place of this file: an installed project has a copy of it.
        is_ours = bool(place) and any((at / FILE).is_file() for at in (folder, folder.parent))
        return is_mlflow and words[:1] == ["run"] and is_ours

    def get_experiment_id(self) -> str:
        """Returns the id of the experiment, which is made where there is none."""
        # Imported here: MLflow loads this file while it is imported itself.
        from yt8m_exp.tracking import store

        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        return store.experiment_id(store.connect(), EXPERIMENT)

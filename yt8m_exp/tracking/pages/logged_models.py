"""The models that a run has logged, by their role in it."""

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run

ROLE = "role"
"""The tag with what a logged model is within its run: best, last, imported."""
BEST = "best"
"""The role of the model that had the highest GAP."""


def of_run(client: MlflowClient, run: Run, role: str) -> list[LoggedModel]:
    """Returns the models of a run with a role, the newest last.

    Args:
        client: a client of the tracking store.
        run: the run.
        role: of the model; in stores of before, it is the model's name.
    """
    logged = client.search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"
    )
    named = [model for model in logged if role in (model.tags.get(ROLE), model.name)]
    return sorted(named, key=lambda model: model.creation_timestamp)

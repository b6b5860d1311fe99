import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput

from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation.sample import Predicted
from yt8m_exp.tracking import comparison
from yt8m_exp.tracking.pages import browser
from yt8m_exp.tracking.pages.browser import Logged


def logged(video: str) -> Logged:
    rows = np.zeros((1, 1), np.int32)
    found = Predicted(np.array([video.encode()]), rows, rows.astype(float), rows, None, 1)
    return Logged(found, np.ones(1), np.ones(1, int), Vocabulary(("a",), None, ("b",)))


def evaluated(client: MlflowClient, trained: str, digest: str, video: str | None) -> None:
    run_id = client.create_run("0", tags={"verb": "eval", "model.run_id": trained}).info.run_id
    dataset = Dataset("shards", digest, "local", "{}")
    client.log_inputs(run_id, [DatasetInput(dataset)])
    if video:
        browser.log_arrays(client, run_id, logged(video))


def test_models_are_compared_by_the_latest_evaluations_of_the_same_data_that_logged_videos(folder):
    client = MlflowClient()
    first, second = (client.create_run("0") for _ in range(2))
    for run, name in ((first, "of the first"), (second, "of the second")):
        evaluated(client, run.info.run_id, "same", None)
        evaluated(client, run.info.run_id, "same", name)
        evaluated(client, run.info.run_id, "same", None)
        evaluated(client, run.info.run_id, f"other {name}", "alone")
    found = comparison.predictions(client, [first, second])
    assert found is not None
    assert [one.found.ids.tolist() for one in found] == [[b"of the first"], [b"of the second"]]

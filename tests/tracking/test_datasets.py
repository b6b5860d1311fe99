import mlflow
import pytest
from mlflow import MlflowClient

from yt8m_exp.tracking import datasets
from yt8m_exp.tracking.runs import open_run

OPTIONS = {"experiment": "e", "config": {}, "system_metrics": False}
MANIFEST = {
    "digest": "0123456789abcdef0123456789abcdef",
    "source": ["train*.tfrecord"],
    "records": 3,
    "shards": [{"name": "train00.tfrecord", "bytes": 10, "crc32c": "00000000", "records": 3}],
}


def test_data_are_logged_once_with_their_manifest(folder, artifact):
    with open_run("train", **OPTIONS) as run:
        datasets.log(run, MANIFEST, name="sample", context="train")
    with open_run("train", **OPTIONS, resume=run.id) as run:
        datasets.log(run, MANIFEST, name="sample", context="train")
        with pytest.raises(ValueError, match="at most 36 characters"):
            datasets.log(run, {**MANIFEST, "digest": "0" * 64}, name="sample", context="train")
    (entry,) = MlflowClient().get_run(run.id).inputs.dataset_inputs
    assert entry.dataset.digest == MANIFEST["digest"]
    assert mlflow.data.get_source(entry).uri == "train*.tfrecord"
    assert artifact(run.id, "data/train.json") == MANIFEST

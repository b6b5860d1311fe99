"""The model of a trained run, as its folder and as MLflow loads it."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.verbs import SCORED, sample_records
from yt8m_exp import spec
from yt8m_exp.data.loading import load
from yt8m_exp.data.shards import scan
from yt8m_exp.data.tfrecords.records import Schema


@pytest.fixture(scope="session")
def model_folder(store, trained) -> Path:
    return store.model(trained["model_uri"])


@pytest.fixture(scope="session")
def load_model(store):
    """Loads the model that a verb's last line names."""
    import mlflow

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        patch.setattr(sys, "path", [*sys.path])  # MLflow adds the folder of the model's code
        yield lambda result: mlflow.pyfunc.load_model(str(store.model(result["model_uri"])))


@pytest.fixture(scope="session")
def tagger(load_model, trained):
    return load_model(trained)


@pytest.fixture(scope="session")
def videos(cache) -> pd.DataFrame:
    """Ten videos as a request holds them."""
    schema = Schema({"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}, spec.CLASSES)
    found = load(scan(SCORED, schema).shards, schema)
    features = {name: list(values[:10]) for name, values in found.features.items()}
    return pd.DataFrame({"id": [video.decode() for video in found.ids[:10]], **features})


@pytest.fixture(scope="session")
def serialized() -> pd.DataFrame:
    """The same videos as serialized records."""
    return pd.DataFrame({"record": sample_records(SCORED)[:10]})

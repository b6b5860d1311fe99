"""Models and runs from before heads and frame samplers were groups of their own.

`before/` holds a small `.keras` file of each model, and what it predicted of three videos.
"""

import importlib
import pkgutil
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models import configured
from yt8m_exp import models

BEFORE = Path(__file__).parent / "before"
FILES = sorted(path.stem for path in BEFORE.glob("*.keras"))
VIDEOS = np.load(BEFORE / "videos.npz")


@pytest.fixture(params=FILES)
def loaded(request):
    for module in pkgutil.walk_packages(models.__path__, f"{models.__name__}."):
        importlib.import_module(module.name)  # as what serves a model does
    path = BEFORE / f"{request.param}.keras"
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def predict(model):
    return np.asarray(model({key: VIDEOS[key] for key in model.input}, training=False))


def test_a_saved_model_predicts_what_it_predicted(loaded):
    expected = VIDEOS[f"predictions/{loaded.name}"]
    np.testing.assert_allclose(predict(loaded), expected, rtol=1e-5, atol=1e-6)


def test_it_is_saved_again_without_a_change(loaded, tmp_path):
    loaded.save(tmp_path / "again.keras")
    again = keras.saving.load_model(tmp_path / "again.keras", compile=False, safe_mode=True)
    assert np.array_equal(predict(again), predict(loaded))
    assert "Choose" not in again.to_json()


def test_its_weights_fit_the_model_of_today(loaded):
    sizes = {
        "dbof": ("clusters=4", "units=3", "sampling.samples=4"),
        "gru": ("units=3", "layers=1", "sampling=run", "sampling.samples=4"),
        "lstm": ("units=3", "layers=1"),
        "resnet_mlp": ("units=4",),
        "logistic": ("normalize=each",),
        "moe": ("normalize=each",),
    }
    features = {key: x.shape[-1] for key, x in loaded.input.items() if key != "frames"}
    today = configured.build(loaded.name, features, 3, *sizes.get(loaded.name, ()))
    weights = {variable.path: variable for variable in loaded.weights}
    assert weights.keys() == {variable.path for variable in today.weights}
    for variable in today.weights:
        variable.assign(weights[variable.path])
    np.testing.assert_allclose(predict(today), predict(loaded), rtol=1e-5, atol=1e-6)

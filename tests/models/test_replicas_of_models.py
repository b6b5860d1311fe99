import multiprocessing
import os

import numpy as np
import pytest
import tensorflow as tf

from tests.models import replicas_of_models

pytestmark = pytest.mark.slow


def all_models_eagerly():
    """Trains all models on one device, without the time that tracing a step takes."""
    tf.config.run_functions_eagerly(True)
    try:
        return replicas_of_models.all_models(tf.distribute.get_strategy())
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def trained(cache, tmp_path_factory):
    """Weights of all models that one device trained, and that two with half the batch did."""
    output = tmp_path_factory.mktemp("replicas") / "weights.npz"
    environment = {"XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"], "CUDA_VISIBLE_DEVICES": "-1"}
    process = multiprocessing.get_context("forkserver").Process(
        target=replicas_of_models.run_here, args=(output, environment), daemon=True
    )
    process.start()
    try:
        alone = all_models_eagerly()
        process.join(600)
        errors = output.with_suffix(".txt")
        assert process.exitcode == 0, errors.read_text() if errors.exists() else "no answer"
        return alone, dict(np.load(output))
    finally:
        process.kill()


@pytest.mark.parametrize("name", replicas_of_models.MODELS)
def test_two_devices_with_half_the_batch_are_one(trained, name):
    alone, two = trained
    keys = [key for key in alone if key.startswith(f"{name}/")]
    assert keys
    for key in keys:
        np.testing.assert_allclose(two[key], alone[key], atol=1e-5, rtol=1e-4)

import json
import math

import keras
import pytest
import tensorflow as tf

from tests.models import configured, winners
from tests.models.zoo import GOLDEN, Case
from yt8m_exp import spec

FEEDS = {
    "infer_predictions": "",
    "even_infer_predictions": "even_",
    "full_infer_predictions": "full_",
}
CASES = [
    "gated_dbof",
    "mix_nextvlad_2",
    "moe_prob_gate",
    "netfv_gated_uncoupled",
    "netrvlad_plain",
    "netvlad_gated",
    "netvlad_plain",
    "nextvlad_2g_expand1",
    "nextvlad_8g",
    "soft_dbof",
]
RECIPES = {
    found["recipe"]: found
    for found in json.loads((GOLDEN / "parameters.json").read_text())["recipes"]
    if found["model_class"] in winners.CLASSES
}


@pytest.fixture(params=CASES)
def case(request):
    return Case(request.param)


@pytest.mark.slow
def test_predictions_and_a_training_step_are_those_of_the_winners(case):
    fed = winners.fed(case)
    fed.require_predictions({key: feed for key, feed in FEEDS.items() if key in case.numbers})
    fed.require_training()
    fed.require_averages()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_published_recipe_has_its_number_of_parameters(recipe):
    found = RECIPES[recipe]
    name, words = winners.ours(found["model_class"], found["flags"])
    features = {"rgb": spec.RGB, "audio": spec.AUDIO}
    with tf.Graph().as_default():  # in which no weight takes memory
        model = configured.build(name, features, spec.CLASSES, *words)
        sizes = {variable.path: math.prod(variable.shape) for variable in model.weights}
    keras.backend.clear_session(free_memory=False)  # there is none, and a collection takes long
    averages = sum(size for path, size in sizes.items() if "moving_" in path)
    assert averages == found["not_trained_3862"]
    assert sum(sizes.values()) - averages == found["parameters_3862"]

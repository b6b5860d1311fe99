import pytest

from tests.models import winners
from tests.models.zoo import Case

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


@pytest.fixture(params=CASES)
def case(request):
    return Case(request.param)


def test_predictions_are_those_of_the_winners(case):
    feeds = {key: feed for key, feed in FEEDS.items() if key in case.numbers}
    winners.fed(case).require_predictions(feeds)


def test_a_training_step_is_that_of_the_winners(case):
    fed = winners.fed(case)
    fed.require_training()
    fed.require_averages()

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from yt8m_exp.training.schedules import constant, cosine, exponential

TRACES = sorted((Path(__file__).parents[1] / "golden" / "training").glob("*.npz"))


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_exponential_rates_are_the_starter_codes(path):
    trace = np.load(path)
    config = json.loads(str(trace["config"]))
    rates = [
        exponential(
            step * config["batch_size"],
            learning_rate=config["base_learning_rate"],
            decay=config["learning_rate_decay"],
            decay_examples=config["learning_rate_decay_examples"],
        )
        for step in range(config["steps"])
    ]
    np.testing.assert_allclose(rates, trace["learning_rate"], rtol=1e-6)


def test_exponential_falls_at_the_step_and_not_before():
    rates = [
        exponential(examples, learning_rate=2.0, decay=0.5, decay_examples=100)
        for examples in (0, 99, 100, 199, 200)
    ]
    assert rates == [2, 2, 1, 1, 0.5]


def test_cosine_by_hand():
    rates = [
        cosine(examples, learning_rate=4.0, total_examples=300, warmup_examples=100)
        for examples in (49, 99, 100, 150, 200, 300)
    ]
    assert rates == pytest.approx([2, 4, 4, 2 + 2**0.5, 2, 0], abs=1e-12)


def test_cosine_rises_then_falls_then_stays():
    rates = [
        cosine(examples, learning_rate=1.0, total_examples=50, warmup_examples=10)
        for examples in range(80)
    ]
    assert rates[0] > 0
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert set(rates[50:]) == {0.0}


def test_cosine_without_a_warmup_starts_at_the_top():
    assert cosine(0, learning_rate=0.3, total_examples=10) == 0.3


def test_cosine_survives_a_warmup_as_long_as_training():
    assert cosine(9, learning_rate=1.0, total_examples=10, warmup_examples=10) == 1.0
    assert cosine(10, learning_rate=1.0, total_examples=10, warmup_examples=10) == 1.0


@pytest.mark.parametrize(
    "schedule",
    [
        constant,
        partial(exponential, decay=0.5, decay_examples=1000),
        partial(cosine, total_examples=10**9),
    ],
)
def test_each_rate_rises_in_a_warmup(schedule):
    rates = [
        schedule(examples, learning_rate=4.0, warmup_examples=100) for examples in (0, 49, 99, 100)
    ]
    assert rates == pytest.approx([0.04, 2, 4, 4])


def test_constant_stays():
    assert {constant(examples, learning_rate=0.1) for examples in (0, 1, 10**9)} == {0.1}

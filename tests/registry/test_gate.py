from dataclasses import replace

import numpy as np
import pytest

from benchmarks.promotion import CLASSES, measured, simulated
from yt8m_exp.config import compose
from yt8m_exp.registry import gate
from yt8m_exp.registry.gate import Comparison, Policy
from yt8m_exp.registry.measure import Measured

NAMES = [f"class {i}" for i in range(CLASSES)]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy(**{**compose.compose("promote").policy, "resamples": 200})


@pytest.fixture(scope="module")
def champion() -> Measured:
    return measured(simulated(np.random.default_rng(0), 800, 0.8)[0])


@pytest.fixture(scope="module")
def challenger() -> Measured:
    return measured(simulated(np.random.default_rng(0), 800, 0.8)[1])


@pytest.fixture(scope="module")
def comparison(challenger, champion, policy) -> Comparison:
    return gate.compare(challenger, champion, policy)


def failed(checks) -> list[str]:
    return [check.name for check in checks if not check.passed]


def test_a_better_challenger_passes(challenger, comparison, policy):
    checks = gate.check(challenger, comparison, policy, NAMES)
    assert failed(checks) == []
    assert [check.name for check in checks] == ["floor", "latency", "gain", "interval", "classes"]


def test_a_worse_challenger_fails_by_gain_and_interval(challenger, champion, policy):
    turned = gate.compare(champion, challenger, policy)
    checks = gate.check(champion, turned, policy, NAMES)
    assert failed(checks)[:2] == ["gain", "interval"]
    assert "GAP must gain at least 0.001, and gains -0." in checks[2].sentence


def test_a_model_that_is_the_champion_again_is_refused(champion, policy):
    same = gate.compare(champion, champion, policy)
    assert failed(gate.check(champion, same, policy, NAMES)) == ["gain", "interval"]


def test_the_first_champion_needs_only_what_is_absolute(challenger, policy):
    checks = gate.check(challenger, None, policy, NAMES)
    assert [check.name for check in checks] == ["floor", "latency"]
    assert failed(checks) == []
    low = replace(policy, minimum_gap=0.99)
    assert failed(gate.check(challenger, None, low, NAMES)) == ["floor"]


@pytest.mark.parametrize(
    ("change", "name", "part"),
    [
        ({"minimum_gap": 0.99}, "floor", "GAP must reach 0.99, and is 0."),
        ({"minimum_gain": 0.9}, "gain", "GAP must gain at least 0.9"),
        ({"lower_bound": 0.5}, "interval", "The 98% interval of the gain must lie above 0.5"),
        ({"latency_milliseconds": 0.5}, "latency", "at most 0.5 ms (99th percentile)"),
        ({"calibration_error": 0.0001}, "calibration", "within 0.0001 of the share of hits"),
    ],
)
def test_each_rule_refuses_by_itself_with_its_evidence(
    challenger, comparison, policy, change, name, part
):
    checks = gate.check(challenger, comparison, replace(policy, **change), NAMES)
    assert failed(checks) == [name]
    (sentence,) = [check.sentence for check in checks if not check.passed]
    assert part in sentence


@pytest.mark.parametrize("rule", ["latency_milliseconds", "calibration_error", "class_loss"])
def test_a_rule_that_is_null_asks_for_nothing(challenger, comparison, policy, rule):
    checks = gate.check(challenger, comparison, replace(policy, **{rule: None}), NAMES)
    assert failed(checks) == []
    assert rule.partition("_")[0] not in " ".join(c.name for c in checks).replace("classes", "c")


def test_a_class_that_is_lost_is_named(challenger, champion, policy):
    """The challenger no longer knows class 7, and is better everywhere else."""
    scores = np.where(challenger.predictions.class_ids == 7, 1e-6, challenger.predictions.scores)
    order = np.argsort(-scores, axis=1, kind="stable")
    ids = np.take_along_axis(challenger.predictions.class_ids, order, axis=1)
    blind = measured(
        replace(
            challenger.predictions,
            scores=np.take_along_axis(scores, order, axis=1).astype(np.float32),
            class_ids=ids,
        )
    )
    checks = gate.check(blind, gate.compare(blind, champion, policy), policy, NAMES)
    assert "classes" in failed(checks)
    assert "but these do: class 7 (7) -0." in checks[-1].sentence


def test_a_class_without_weight_may_be_lost(challenger, champion, policy):
    rare = replace(policy, class_positives=10**6)
    comparison = gate.compare(challenger, champion, rare)
    assert comparison.classes.size == 0
    assert failed(gate.check(challenger, comparison, rare, NAMES)) == []


def test_a_loss_that_chance_explains_does_not_refuse(challenger, comparison, policy):
    noisy = replace(comparison, ap_gain=comparison.ap_gain - 0.3, ap_bound=comparison.ap_bound + 9)
    assert failed(gate.check(challenger, noisy, policy, NAMES)) == []


def test_the_bound_of_chance_rises_with_the_number_of_classes(challenger, champion, policy):
    few = gate.compare(challenger, champion, replace(policy, class_positives=70))
    many = gate.compare(challenger, champion, replace(policy, class_positives=1))
    assert 0 < few.classes.size < many.classes.size
    shared = np.isin(many.classes, few.classes)
    assert (many.ap_bound[shared] > few.ap_bound).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"confidence": 1.0}, "`0 < confidence < 1` must hold, but got confidence=1.0."),
        ({"resamples": 10}, "`resamples >= 100` must hold, but got resamples=10"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(policy, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(policy, **change)

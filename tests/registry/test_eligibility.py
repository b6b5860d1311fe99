from dataclasses import replace

import pytest

from yt8m_exp.config import compose
from yt8m_exp.registry.eligibility import Candidate, eligible
from yt8m_exp.registry.gate import Policy

SHARDS = {(10, "aa"): "validate0.tfrecord", (11, "bb"): "validate1.tfrecord"}
CHAMPION = Candidate(
    version=1,
    level="video",
    features={"mean_rgb": 1024, "mean_audio": 128},
    classes=20,
    vocabulary_digest="ab12",
    answers=frozenset({"id", "class_ids", "top_k"}),
    trained_on={(12, "cc"): "train0.tfrecord"},
    model_bytes=1000,
)
CHALLENGER = replace(CHAMPION, version=2)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy(**compose.compose("promote").policy)


def refusals(policy, champion=CHAMPION, **change) -> list[str]:
    checks = eligible(replace(CHALLENGER, **change), champion, SHARDS, policy)
    return [check.sentence for check in checks if not check.passed]


def test_two_of_a_kind_can_be_compared(policy):
    assert refusals(policy) == []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (
            {"trained_on": {(10, "aa"): "renamed.tfrecord"}},
            "Version 2 must not have trained on the evaluation shards, but it did on 1 of 2: "
            "validate0.tfrecord. Evaluate on others",
        ),
        ({"trained_on": None}, "has no manifest of its training shards"),
        ({"answers": None}, "Version 2 must have a signature, but has none"),
        ({"answers": frozenset({"id"})}, "but lacks class_ids, top_k"),
        ({"classes": 21}, "The classes must be those of the champion, in their order, but are 21"),
        ({"vocabulary_digest": "cd34"}, "but have other names or order"),
        ({"features": {"rgb": 1024}}, "but needs rgb of 1024"),
        ({"features": {"mean_rgb": 512}}, "but needs mean_rgb of 512"),
        ({"level": "frame"}, "but one reads frame-level and the other video-level ones"),
        ({"model_bytes": 2 * 10**9}, "at most 1,000,000,000 bytes, and has 2,000,000,000"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_evidence(policy, change, part):
    (sentence,) = refusals(policy, **change)
    assert part in sentence


def test_fewer_features_are_enough(policy):
    assert refusals(policy, features={"mean_rgb": 1024}) == []


def test_other_features_may_be_allowed(policy):
    relaxed = replace(policy, same_features=False)
    assert refusals(relaxed, features={"rgb": 1024}) == []


def test_a_shard_of_the_same_name_is_not_the_same_shard(policy):
    assert refusals(policy, trained_on={(10, "ff"): "validate0.tfrecord"}) == []


def test_a_champion_that_trained_on_the_shards_is_named(policy):
    seen = replace(CHAMPION, trained_on=SHARDS)
    (sentence,) = refusals(policy, champion=seen)
    assert "Version 1 must not have trained" in sentence
    assert "on 2 of 2" in sentence


def test_the_first_champion_is_compared_with_nobody(policy):
    assert refusals(policy, champion=None, classes=21, features={"rgb": 1024}) == []
    assert refusals(policy, champion=None, trained_on=SHARDS) != []


def test_no_limit_of_size_asks_for_nothing(policy):
    assert refusals(replace(policy, model_bytes=None), model_bytes=10**12) == []


def test_models_that_do_not_say_what_they_trained_on_may_be_allowed(policy):
    assert refusals(replace(policy, known_training=False), trained_on=None) == []

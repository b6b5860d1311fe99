"""Can the gate be trusted, and how long does it take?

    python -m benchmarks.promotion [repetitions]

Videos of two made-up models are drawn again and again from populations whose difference of GAP is
known (it is measured on many videos): how often does the 95 % interval hold it, and how often does
the gate of `conf/promote.yaml` let a model pass that is no better, and one that is?
"""

import sys
import time
from collections.abc import Iterable

import numpy as np

from yt8m_exp.config import compose
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.registry import bootstrap, gate
from yt8m_exp.registry.bootstrap import Predictions
from yt8m_exp.registry.measure import Measured, distinct

REPETITIONS, VIDEOS, RESAMPLES = 1000, 1000, 500
MANY = 400_000
CLASSES, K, LABELS = 40, 20, 3
SKILL = 2.0
BETTER = {"equal": 0.0, "a little better": 0.1, "clearly better": 0.3}


def main() -> None:
    """Prints a line a pair of models, then the time of a full size."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS
    print(f"{repetitions} repetitions of {VIDEOS} videos, {RESAMPLES} draws each")
    print(f"{'challenger':18}{'true gain':>12}{'mean gain':>12}{'covered':>10}{'promoted':>10}")
    for name, more in BETTER.items():
        truth = true_gain(more) if more else 0.0
        found = repeated(more, range(repetitions))
        covered = np.mean([low <= truth <= high for _, (low, high), _ in found])
        promoted = np.mean([passed for *_, passed in found])
        mean = np.mean([gain for gain, *_ in found])
        print(f"{name:18}{truth:+12.4f}{mean:+12.4f}{covered:10.1%}{promoted:10.1%}")
    pair = simulated(np.random.default_rng(0), 10_000, 0.1)
    begin = time.perf_counter()
    bootstrap.draw(*pair, classes=range(CLASSES), resamples=2000)
    print(f"2,000 draws of 10,000 videos x {K}: {time.perf_counter() - begin:.1f} s")


def simulated(
    rng: np.random.Generator, videos: int, more_skill: float
) -> tuple[Predictions, Predictions]:
    """Draws videos, and what two models of related mistakes predict of them.

    Args:
        rng: draws them.
        videos: how many.
        more_skill: by how much the second model's logits of right classes are higher.
    """
    ids = np.argsort(rng.random((videos, CLASSES)), axis=1)[:, :K].astype(np.int32)
    labels = ids[:, :LABELS]  # as ids are in random order
    right = np.arange(K) < LABELS
    shared = rng.normal(size=(videos, 1)) + rng.normal(size=(videos, K)) - 2
    models = []
    for skill in (SKILL, SKILL + more_skill):
        logits = shared + rng.normal(size=(videos, K)) + skill * right
        scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
        order = np.argsort(-scores, axis=1)
        best, classes = (np.take_along_axis(values, order, axis=1) for values in (scores, ids))
        models.append(Predictions(best, classes, distinct([labels])))
    return models[0], models[1]


def measured(predictions: Predictions) -> Measured:
    """Returns what a pass over the same predictions measures."""
    ranking = Ranking(CLASSES)
    ranking.update(predictions.scores, predictions.class_ids, predictions.labels)
    return Measured(predictions, ranking.result(), latency_milliseconds=1.0)


def true_gain(more_skill: float, videos: int = MANY) -> float:
    """Returns the difference of GAP of two models on many videos."""
    pair = simulated(np.random.default_rng(1), videos, more_skill)
    first, second = (measured(model).ranked.gap for model in pair)
    return second - first


def repeated(
    more_skill: float, seeds: Iterable[int], *, videos: int = VIDEOS, resamples: int = RESAMPLES
) -> list[tuple[float, bootstrap.Interval, bool]]:
    """Returns the gain, its interval and the verdict of each repetition."""
    policy = gate.Policy(**{**compose.compose("promote").policy, "resamples": resamples})
    found = []
    for seed in seeds:
        champion, challenger = simulated(np.random.default_rng([2, seed]), videos, more_skill)
        first, second = measured(champion), measured(challenger)
        comparison = gate.compare(second, first, policy)
        checks = gate.check(second, comparison, policy, [""] * CLASSES)
        passed = all(check.passed for check in checks)
        found.append((comparison.gain, comparison.draws.interval(0.95), passed))
    return found


if __name__ == "__main__":
    main()

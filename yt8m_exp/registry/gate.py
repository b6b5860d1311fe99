"""The gate: checks what was measured of a challenger against the rules of a policy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.registry import bootstrap
from yt8m_exp.registry.bootstrap import Draws, Interval
from yt8m_exp.registry.measure import Measured, calibration_error
from yt8m_exp.spec import InputError


@dataclass(frozen=True)
class Policy:
    """The rules for a challenger; None switches a rule off.

    Attributes:
        minimum_gap: lowest GAP. The first champion must pass only the rules without a comparison.
        minimum_gain: lowest gain in GAP over the champion.
        lower_bound: the confidence interval of the gain must lie above this.
        confidence: confidence of that interval.
        resamples, seed: number and seed of the bootstrap's draws.
        class_positives: a class is checked on its own if at least this many evaluation videos have
            it.
        class_loss: most average precision that such a class may lose, beyond chance.
        model_bytes: largest size of the model's file (the competition's limit is 1 GB).
        latency_milliseconds: slowest answer to a request of one video, 99th percentile.
        calibration_error: largest mean distance between scores and the share of hits among them.
        known_training: whether the training shards of both models must be known.
        same_features: whether the challenger must need only features that the champion takes.
    """

    minimum_gap: float
    minimum_gain: float
    lower_bound: float
    confidence: float
    resamples: int
    seed: int
    class_positives: int
    class_loss: float | None
    model_bytes: int | None
    latency_milliseconds: float | None
    calibration_error: float | None
    known_training: bool
    same_features: bool

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise InputError(
                f"`0 < confidence < 1` must hold, but got confidence={self.confidence}."
            )
        if self.resamples < 100:
            raise InputError(
                f"`resamples >= 100` must hold, but got resamples={self.resamples}. Fewer draws "
                "give no usable interval."
            )


class Check(NamedTuple):
    """A rule: its name, whether it holds, and a sentence with the rule and the evidence."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """The measured difference between challenger and champion.

    Attributes:
        gain: GAP of the challenger minus GAP of the champion.
        interval: confidence interval of the gain.
        draws: the draws of the bootstrap.
        classes: the classes that are checked on their own, (W,).
        ap_gain: how much average precision each of them gains, (W,).
        ap_bound: how much each may differ by chance alone, (W,).
    """

    gain: float
    interval: Interval
    draws: Draws
    classes: NDArray
    ap_gain: NDArray
    ap_bound: NDArray


def compare(challenger: Measured, champion: Measured, policy: Policy) -> Comparison:
    """Compares two models on the videos that both predicted.

    The bounds of the classes hold for all checked classes together (Bonferroni correction).

    Raises:
        InputError: the models did not predict the same labelled videos.
    """
    classes = np.flatnonzero(champion.ranked.positives >= policy.class_positives)
    draws = bootstrap.draw(
        champion.predictions,
        challenger.predictions,
        classes=classes,
        resamples=policy.resamples,
        seed=policy.seed,
    )
    tail = (1 - policy.confidence) / 2 / max(classes.size, 1)
    return Comparison(
        gain=challenger.ranked.gap - champion.ranked.gap,
        interval=draws.interval(policy.confidence),
        draws=draws,
        classes=classes,
        ap_gain=(challenger.ranked.ap - champion.ranked.ap)[classes],
        ap_bound=-NormalDist().inv_cdf(tail) * draws.ap_error,
    )


def check(
    challenger: Measured, comparison: Comparison | None, policy: Policy, names: Sequence[str]
) -> list[Check]:
    """Checks what was measured.

    Args:
        challenger: measurements of the challenger.
        comparison: comparison with the champion; None if there is no champion yet.
        policy: the rules.
        names: names of the classes.
    """
    checks = [
        Check(
            "floor",
            challenger.ranked.gap >= policy.minimum_gap,
            f"GAP must reach {policy.minimum_gap:g}, and is {challenger.ranked.gap:.4f}.",
        ),
        *_absolute(challenger, policy),
    ]
    if comparison is None:
        return checks
    low, high = comparison.interval
    return [
        *checks,
        Check(
            "gain",
            comparison.gain >= policy.minimum_gain,
            f"GAP must gain at least {policy.minimum_gain:g}, and gains {comparison.gain:+.4f}.",
        ),
        Check(
            "interval",
            low > policy.lower_bound,
            f"The {policy.confidence:.0%} interval of the gain must lie above "
            f"{policy.lower_bound:g}, and is [{low:+.4f}, {high:+.4f}].",
        ),
        *_classes(comparison, policy, names),
    ]


def _absolute(challenger: Measured, policy: Policy) -> Iterator[Check]:
    if policy.latency_milliseconds is not None:
        measured = challenger.latency_milliseconds
        yield Check(
            "latency",
            measured <= policy.latency_milliseconds,
            f"A request of one video must take at most {policy.latency_milliseconds:g} ms (99th "
            f"percentile), and takes {measured:.1f}.",
        )
    if policy.calibration_error is not None:
        error = calibration_error(challenger.predictions)
        yield Check(
            "calibration",
            error <= policy.calibration_error,
            f"Scores must be within {policy.calibration_error:g} of the share of hits on average, "
            f"and are within {error:.4f}.",
        )


def _classes(comparison: Comparison, policy: Policy, names: Sequence[str]) -> Iterator[Check]:
    if policy.class_loss is None:
        return
    lost = -comparison.ap_gain
    failed = np.flatnonzero((lost > policy.class_loss) & (lost > comparison.ap_bound))
    failed = failed[np.argsort(-lost[failed])]
    rule = (
        f"None of the {comparison.classes.size} classes with at least {policy.class_positives} "
        f"videos may lose more than {policy.class_loss:g} average precision beyond chance"
    )
    worst = [
        f"{names[comparison.classes[i]] or 'unnamed'} ({comparison.classes[i]}) {-lost[i]:+.3f}"
        for i in failed[:3]
    ]
    more = f" and {failed.size - 3} more" if failed.size > 3 else ""
    sentence = (
        f"{rule}, but these do: {', '.join(worst)}{more}." if worst else f"{rule}, and none does."
    )
    yield Check("classes", not worst, sentence)

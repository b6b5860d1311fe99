"""The metrics, each declared once.

Training, `eval`, a run's description, the tags of a version, the gate and its report all read
`TABLE`. A new metric is one entry in it.

One number has one name. In MLflow that is `val/<key>`: for a point of a run's curve, for the score
of a model in `eval`, and for the tag of a registered version. If a run holds scores of several
models, a prefix says which model a score belongs to: `best/val/gap` is the score of the best model
of a training run (the run and the model have it, with the dataset), or of the best trial of a
study; `challenger/val/gap` and `champion/val/gap` are the scores in the run of a promotion. The
JSON line of a verb, the closing table and the record of a decision use the key alone: `gap`.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter, methodcaller
from typing import Any, Literal

import numpy as np

from yt8m_exp.evaluation.ranked import Ranked
from yt8m_exp.evaluation.sample import Predicted
from yt8m_exp.evaluation.segments import SegmentMetrics

PREFIX = "val/"
BEST = "best/"
NO_NUMBER = "no positives"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured on labelled videos, or on rated segments.

    Attributes:
        ranked: What the pass over them gathered.
        loss: Mean over the videos.
        segments: How well lists of all segments rank.
        sample: Some of the videos, with what was predicted of them.

    An attribute is None if it was not measured.
    """

    ranked: Ranked | None = None
    loss: float | None = None
    segments: SegmentMetrics | None = None
    sample: Predicted | None = None


@dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are.

    Attributes:
        key: Its name, as in `val/<key>`.
        title: Its name for people.
        meaning: What it measures, in one sentence.
        compute: Its value, from the part of an `Evaluation` that `of` names; NaN if there is no
            number, as without positives.
        of: What it is computed from; the metric is left out if that was not measured.
        higher_is_better: Which of two models it favours.
        curve: Whether each evaluation during training measures it.
        on_version: Whether a registered version carries it as a tag, and a promotion shows it.
    """

    key: str
    title: str
    meaning: str
    compute: Callable[[Any], float]
    of: Literal["ranked", "loss", "segments"] = "ranked"
    higher_is_better: bool = True
    curve: bool = True
    on_version: bool = True

    @property
    def name(self) -> str:
        """Its name in MLflow."""
        return PREFIX + self.key


GAP = Metric(
    "gap",
    "GAP@20",
    "Global average precision of the 20 best predictions of every video, pooled.",
    attrgetter("gap"),
)
LOSS = Metric(
    "loss",
    "Loss",
    "The model's own loss, mean over videos, without regularisation.",
    float,
    of="loss",
    higher_is_better=False,
)
TABLE = (
    GAP,
    Metric(
        "hit_at_1",
        "Hit@1",
        "Share of the videos whose best prediction is right.",
        attrgetter("hit_at_1"),
    ),
    Metric(
        "perr",
        "PERR",
        "Precision among as many predictions as the video has labels, mean over videos.",
        attrgetter("perr"),
    ),
    Metric(
        "map",
        "mAP",
        "Average precision of a class, mean over the classes with positives.",
        attrgetter("map"),
    ),
    LOSS,
    Metric(
        "map_2017",
        "mAP (2017)",
        "mAP over all classes: one without positives counts as 0.",
        attrgetter("map_2017"),
        curve=False,
        on_version=False,
    ),
    Metric(
        "segment_map",
        "mAP@100,000 of segments",
        "The mAP of 2019, of lists of segments, mean over the classes with positives.",
        attrgetter("map"),
        of="segments",
        curve=False,
        on_version=False,
    ),
    Metric(
        "segment_map_over_all_classes",
        "mAP@100,000 of segments (1,000 classes)",
        "The mAP of 2019, mean over the 1,000 classes of the competition.",
        methodcaller("map_over"),
        of="segments",
        curve=False,
        on_version=False,
    ),
)


def map_at(n: int) -> Metric:
    """Returns the mAP over the `n` best predictions of each class, as AP@n of the starter code.

    `n` must be in the `top_n` of `Ranking.result`.
    """
    return Metric(
        f"map_at_{n}",
        f"mAP@{n}",
        f"mAP of the {n} best predictions of each class; at most {n} positives are expected.",
        methodcaller("map_at", n),
        curve=False,
        on_version=False,
    )


def curves() -> tuple[Metric, ...]:
    """Returns the metrics of an evaluation during training."""
    return tuple(metric for metric in TABLE if metric.curve)


def on_versions() -> tuple[Metric, ...]:
    """Returns the metrics that a registered version carries."""
    return tuple(metric for metric in TABLE if metric.on_version)


def values(found: Evaluation, metrics: Iterable[Metric] | None = None) -> dict[str, float | None]:
    """Returns the value of each metric by key, None if there is no number.

    Args:
        found: What was measured. A metric that needs more is left out.
        metrics: By default all of `TABLE`.
    """
    parts = {m: getattr(found, m.of) for m in (TABLE if metrics is None else metrics)}
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 of 0 is NaN, which is no number
        computed = {m.key: m.compute(part) for m, part in parts.items() if part is not None}
    return {key: None if math.isnan(v) else float(v) for key, v in computed.items()}


def logged(values: Mapping[str, float | None], *, whose: str = "") -> dict[str, float]:
    """Returns the values that are numbers, by their names in MLflow.

    Args:
        values: By key.
        whose: A prefix such as `best/`, see above.
    """
    return {f"{whose}{PREFIX}{key}": v for key, v in values.items() if v is not None}


def key_of(name: str) -> str:
    """Returns the key of a metric by its name in MLflow, with `best/` or without."""
    return name.removeprefix(BEST).removeprefix(PREFIX)


def shown(values: Mapping[str, float | None]) -> dict[str, float | str]:
    """Returns the values for people: words instead of a missing number."""
    return {key: NO_NUMBER if value is None else value for key, value in values.items()}

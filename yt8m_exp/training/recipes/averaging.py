"""The average of several checkpoints' weights, which often scores better than each of them.

Sources: P. Izmailov et al., "Averaging weights leads to wider optima and better generalization",
2018, https://arxiv.org/abs/1803.05407; for the greedy choice M. Wortsman et al., "Model soups",
2022, section 2, https://arxiv.org/abs/2203.05482.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt8m_exp.training import npz

Method = Literal["uniform", "greedy"]
Weights = Sequence[NDArray]
Measure = Callable[[Weights], Mapping[str, float | None]]
"""Returns the metrics of weights by key, `gap` among them."""
NAME = re.compile(r"weights-(\d{12})\.npz")


class Snapshot(NamedTuple):
    """The weights at an evaluation: the file, the examples seen, and the GAP."""

    path: Path
    examples: int
    gap: float

    @property
    def weights(self) -> list[NDArray]:
        """The weights, read from the file."""
        with np.load(self.path, allow_pickle=False) as arrays:
            return [arrays[name] for name in sorted(set(arrays.files) - {"gap"})]


class Average(NamedTuple):
    """An average: its weights, its metrics, and the examples seen by each of its members."""

    weights: Weights
    metrics: Mapping[str, float | None]
    members: list[int]


@dataclass(frozen=True)
class Snapshots:
    """Keeps weights of evaluations in files, and averages them at the end.

    Args:
        folder: where they are kept.
        method: `uniform` averages the last ones; `greedy` begins with the best, and adds each next
            best that does not lower the GAP of the average.
        checkpoints: how many are kept: the last ones, or the best.
        written: is called with each file that was written.
    """

    folder: Path
    method: Method
    checkpoints: int
    written: Callable[[Path], None] = lambda path: None

    def keep(self, weights: Weights, examples: int, gap: float | None) -> None:
        """Writes the weights of an evaluation, and removes those that are no longer needed."""
        path = self.folder / f"weights-{examples:012d}.npz"
        arrays = {f"{index:04d}": value for index, value in enumerate(weights)}
        self.folder.mkdir(parents=True, exist_ok=True)
        npz.save(path, arrays | {"gap": np.float64(-math.inf if gap is None else gap)})
        for old in self.found()[self.checkpoints :]:
            old.path.unlink()
        if path.exists():
            self.written(path)

    def found(self) -> list[Snapshot]:
        """Returns what is kept: the latest first, or the best."""
        snapshots = [
            Snapshot(path, int(match[1]), float(np.load(path)["gap"]))
            for path in sorted(self.folder.glob("weights-*.npz"), reverse=True)
            if (match := NAME.fullmatch(path.name))
        ]
        if self.method == "greedy":
            snapshots.sort(key=lambda snapshot: -snapshot.gap)  # of equals, the latest first
        return snapshots

    def forget(self, examples: int) -> None:
        """Removes what was kept after so many examples: a resumed training comes there again."""
        for snapshot in self.found():
            if snapshot.examples > examples:
                snapshot.path.unlink()

    def average(self, measure: Measure) -> Average | None:
        """Returns the average, None where fewer than two were kept."""
        snapshots = self.found()
        if len(snapshots) < 2:
            return None
        if self.method == "uniform":
            weights = _mean([snapshot.weights for snapshot in snapshots])
            return Average(weights, measure(weights), [s.examples for s in snapshots])
        best, *others = snapshots
        chosen, members = [best.weights], [best.examples]
        found = Average(best.weights, {"gap": best.gap}, members)
        for snapshot in others:
            candidates = [*chosen, snapshot.weights]
            weights = _mean(candidates)
            metrics = measure(weights)
            if _gap(metrics) >= _gap(found.metrics):
                chosen, members = candidates, [*members, snapshot.examples]
                found = Average(weights, metrics, members)
        return found if len(members) > 1 else None


def _mean(several: Sequence[Weights]) -> list[NDArray]:
    together = zip(*several, strict=True)
    return [np.asarray(np.mean(values, axis=0, dtype=np.float32)) for values in together]


def _gap(metrics: Mapping[str, float | None]) -> float:
    gap = metrics["gap"]
    return -math.inf if gap is None else gap

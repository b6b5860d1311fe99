"""Scales of parameters: where values lie on an axis, and which of them are written there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.ticker import LogLocator, MaxNLocator

from yt8m_exp.plots.studies.trials import Trial
from yt8m_exp.plots.style import plain, si_prefixed


@dataclass(frozen=True)
class Scale:
    """Where values lie between 0 and 1: numbers by size, perhaps logarithmic, others in order.

    Attributes:
        numbers: the values that occur, rising, if they are numbers.
        is_log: whether numbers are placed by their logarithm.
        names: the values that occur, if they are no numbers.
    """

    numbers: tuple[float, ...] = (0.0,)
    is_log: bool = False
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, key: str, rows: Sequence[Any]) -> "Scale":
        """Returns the scale of a key in trials, or in rows that hold it."""
        found = [row.params if isinstance(row, Trial) else row for row in rows]
        values = [row[key] for row in found if key in row]
        if not all(map(is_number, values)):
            return cls(names=tuple(dict.fromkeys(map(word, sorted(values, key=_rank)))))
        numbers = tuple(sorted(set(values)))
        return cls(numbers, is_log=0 < 8 * numbers[0] <= numbers[-1])

    def place(self, value: Any) -> float:
        """Returns the place of a value, in [0, 1]."""
        if self.names:
            return (self.names.index(word(value)) + 0.5) / len(self.names)
        low, high = self.numbers[0], self.numbers[-1]
        if low == high:
            return 0.5
        if self.is_log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Returns the places and texts of about as many ticks; of few values, all of them."""
        if self.names:
            return [(self.place(name), plain(_short(name))) for name in self.names]
        values: Sequence[float] = self.numbers
        if len(values) > most:
            low, high = values[0], values[-1]
            locator = LogLocator(subs=(1, 2, 5)) if self.is_log else MaxNLocator(most)
            values = [v for v in locator.tick_values(low, high) if low <= v <= high]
            values = values[:: math.ceil(len(values) / (most + 1)) or 1]
        if len(values) < 2:
            values = sorted({self.numbers[0], self.numbers[-1]})
        return [(self.place(value), _shown(value)) for value in values]


def is_number(value: Any) -> bool:
    """Returns whether a value is a number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def word(value: Any) -> str:
    """Returns a value that is no number as a configuration writes it."""
    return "null" if value is None else str(value)


def _rank(value: Any) -> tuple[bool, float, str]:
    """Returns what sorts numbers by size, and other values behind them."""
    return (False, value, "") if is_number(value) else (True, 0, word(value))


def _shown(value: float) -> str:
    if value == int(value) and abs(value) < 100_000:
        return f"{value:,.0f}"
    return si_prefixed(value) if abs(value) >= 1000 else f"{value:.3g}"


def _short(text: str, most: int = 14) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

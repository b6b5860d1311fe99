"""The shards that wait for a worker, and those that workers have taken."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping

SHARES = 4
"""A worker takes one in so many of what waits for it, so that the last units are small."""
MOST_BYTES, MOST_SHARDS = 128 << 20, 256
"""Of a unit; but one shard, however large it is."""
COPIES = 2
ATTEMPTS = 5


class Queue:
    """Gives out units of shards, and knows what became of them.

    Args:
        sizes: the bytes of each shard to predict, by its place.
        workers: how many share them.

    Attributes:
        failed: why shards cannot be predicted, by place.
    """

    def __init__(self, sizes: Mapping[int, int], workers: int) -> None:
        self._sizes, self._workers = dict(sizes), workers
        self._waiting = deque(sorted(sizes))
        self._open = set(sizes)
        self._holders: Counter[int] = Counter()
        self._crashes: Counter[int] = Counter()
        self.failed: dict[int, str] = {}

    @property
    def is_done(self) -> bool:
        """Whether each shard is predicted, or cannot be."""
        return not self._open

    @property
    def has_waiting(self) -> bool:
        """Whether a shard has no worker."""
        return bool(self._waiting)

    def take(self) -> list[int]:
        """Returns the next unit: shards without a worker, or else some that another one works on.

        A worker that is slow, or was lost and nobody noticed, then does not hold the rest.
        """
        if not self._waiting:
            return self._hold(self._second())
        share = sum(self._sizes[place] for place in self._waiting) / (SHARES * self._workers)
        unit = [self._waiting.popleft()]
        size = self._sizes[unit[0]]
        while self._waiting and len(unit) < MOST_SHARDS:
            size += self._sizes[self._waiting[0]]
            if size > min(share, MOST_BYTES):
                break
            unit.append(self._waiting.popleft())
        return self._hold(unit)

    def done(self, place: int) -> bool:
        """Notes that a shard is predicted; returns whether that is new."""
        new = place in self._open
        self._open.discard(place)
        return new

    def fail(self, place: int, reason: str) -> None:
        """Notes that a shard cannot be predicted."""
        if self.done(place):
            self.failed[place] = reason

    def lost(self, unit: Iterable[int], reason: str) -> None:
        """Takes back what a lost worker left; a shard at which many were lost is given up.

        Args:
            unit: its shards that are not done, in its order: it was at the first, or soon after it.
            reason: how it was lost, in words.
        """
        for number, place in enumerate(unit):
            self._holders[place] -= 1
            self._crashes[place] += number == 0
            if self._crashes[place] >= ATTEMPTS:
                self.fail(place, f"{ATTEMPTS} workers were lost at it; the last {reason}")
            elif place in self._open and not self._holders[place]:
                self._waiting.append(place)

    def _second(self) -> list[int]:
        """Returns half of the shards that one worker alone has taken, those that it does last."""
        alone = [place for place in sorted(self._open) if self._holders[place] < COPIES]
        return alone[len(alone) // 2 :][::-1]

    def _hold(self, unit: list[int]) -> list[int]:
        self._holders.update(unit)
        return unit

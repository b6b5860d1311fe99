"""Times works in turns, so that what else the machine does falls on all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping


def seconds(
    works: Mapping[str, Callable[[], object]], *, times: int, rounds: int, rest: float = 0.0
) -> dict[str, float]:
    """Returns the seconds that each work takes, by the median of several rounds.

    Args:
        works: each returns a number, or a tensor of one, when it is done or will be.
        times: how often a work is done in a round.
        rounds: how many rounds.
        rest: seconds after each work, so that none runs beside what the last one reads ahead.
    """
    for work in works.values():
        for _ in range(2):
            float(work())  # type: ignore[arg-type]
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            for _ in range(times):
                result = work()
            float(result)  # type: ignore[arg-type]
            found[name].append((time.perf_counter() - began) / times)
            time.sleep(rest)
    return {name: statistics.median(values) for name, values in found.items()}

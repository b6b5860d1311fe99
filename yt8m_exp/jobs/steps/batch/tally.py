"""What a prediction came to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """Counts of a prediction.

    Attributes:
        videos: those in the output, each once.
        repeated: rows of shards left out, because a row before has the id.
        made: videos that were predicted now, not in a run before.
        seconds: what that took.
    """

    videos: int
    repeated: int
    made: int
    seconds: float

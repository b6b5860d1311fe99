"""Learning rates as functions of the examples seen, whatever the batch size."""

import math


def exponential(
    examples: int, *, learning_rate: float, decay: float, decay_examples: float
) -> float:
    """Returns a rate that falls by a factor in steps, as the starter code's.

    Args:
        examples: examples seen.
        learning_rate: the first rate.
        decay: the factor of each step, in (0, 1].
        decay_examples: examples between two steps.
    """
    return learning_rate * decay ** math.floor(examples / decay_examples)


def cosine(
    examples: int, *, learning_rate: float, total_examples: int, warmup_examples: int = 0
) -> float:
    """Returns a rate that rises over the warm-up and then falls to zero along half a cosine.

    Source: I. Loshchilov and F. Hutter, "SGDR", 2016, https://arxiv.org/abs/1608.03983, eq. 5.

    Args:
        examples: examples seen.
        learning_rate: the highest rate.
        total_examples: examples at the end of training.
        warmup_examples: examples until the highest rate is reached.
    """
    if examples < warmup_examples:
        return learning_rate * (examples + 1) / warmup_examples
    done = (examples - warmup_examples) / max(total_examples - warmup_examples, 1)
    return learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def constant(examples: int, *, learning_rate: float) -> float:
    """Returns the same rate for ever."""
    return learning_rate

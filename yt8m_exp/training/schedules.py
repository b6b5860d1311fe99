"""Learning rates as functions of the examples seen, whatever the batch size.

All can begin with a warm-up, in which the rate rises in proportion to the examples.
"""

import math


def exponential(
    examples: int,
    *,
    learning_rate: float,
    decay: float,
    decay_examples: float,
    warmup_examples: float = 0,
) -> float:
    """Returns a rate that falls by a factor in steps, as the starter code's.

    Args:
        examples: examples seen.
        learning_rate: the first rate.
        decay: the factor of each step, in (0, 1].
        decay_examples: examples between two steps.
        warmup_examples: examples until the warm-up ends.
    """
    learning_rate = warm(examples, learning_rate, warmup_examples)
    return learning_rate * decay ** math.floor(examples / decay_examples)


def cosine(
    examples: int, *, learning_rate: float, total_examples: int, warmup_examples: float = 0
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
        return warm(examples, learning_rate, warmup_examples)
    done = (examples - warmup_examples) / max(total_examples - warmup_examples, 1)
    return learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def constant(examples: int, *, learning_rate: float, warmup_examples: float = 0) -> float:
    """Returns the same rate for ever, once the warm-up has ended."""
    return warm(examples, learning_rate, warmup_examples)


def warm(examples: int, learning_rate: float, warmup_examples: float) -> float:
    """Returns the rate, or in the warm-up a share of it."""
    if examples >= warmup_examples:
        return learning_rate
    return learning_rate * min((examples + 1) / warmup_examples, 1.0)

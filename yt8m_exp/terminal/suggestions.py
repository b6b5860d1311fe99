"""Names that are close to one that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches

CLOSE = 0.6
SHOWN = 3


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns a sentence with the names that are close to a misspelt one; empty without any.

    A dotted name is also close to one that ends alike: `experts` to `model.head.experts`.

    Args:
        name: what was given.
        names: what there is.
    """
    names = list(dict.fromkeys(names))
    last = {known: known.rpartition(".")[2] for known in names}
    near = get_close_matches(name, names, SHOWN, CLOSE)
    if not near:
        ends = get_close_matches(name.rpartition(".")[2], set(last.values()), SHOWN, CLOSE)
        near = [known for end in ends for known in names if last[known] == end][:SHOWN]
    return f" Did you mean {' or '.join(near)}?" if near else ""

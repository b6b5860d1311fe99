"""Label smoothing: no label is quite certain, so a certain prediction costs more than a likely one.

Labels alone are smoothed. The other classes, thousands of them, stay at zero: most are absent from
most videos for certain.
Source: C. Szegedy et al., "Rethinking the inception architecture", 2015, section 7,
https://arxiv.org/abs/1512.00567.
"""

from yt8m_exp.training.recipes.changes import Change, Tensors


def smoothing(amount: float) -> Change:
    """Returns what takes an amount off the share of each label, which is 1 before."""

    def smooth(features: Tensors, known: Tensors) -> tuple[Tensors, Tensors]:
        return features, {**known, "shares": (1 - amount) * known["shares"]}

    return smooth

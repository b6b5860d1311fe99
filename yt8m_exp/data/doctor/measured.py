"""The steps of an extraction: gathers what the check measures of them, and shows it."""

import logging
from collections.abc import Iterable, Iterator, Sequence

from yt8m_exp.data.doctor import profile
from yt8m_exp.data.doctor.examination import Examination
from yt8m_exp.data.doctor.extraction import FEWEST, Measured
from yt8m_exp.data.doctor.profile import Profile
from yt8m_exp.terminal import table

COLUMNS = ("step", "feature", "what", "these shards", "the release", "")

logger = logging.getLogger(__name__)


def profiling(found: Iterable[Examination], profiles: dict[str, Profile]) -> Iterator[Examination]:
    """Yields examinations, and adds what they tell of the features to profiles."""
    for examined in found:
        profiles.update(profile.merged(profiles, examined.profiles))
        yield examined


def show(steps: Sequence[Measured]) -> None:
    """Shows each step, and says what is wrong with those that are off."""
    if not steps:
        logger.warning("Steps are told from %d frames or videos at least.", FEWEST)
        return
    lines = [
        (row.step, row.feature, row.what, f"{row.value:.3g}", f"{row.release:.3g}", _word(row))
        for row in steps
    ]
    table.show("Steps of the extraction", COLUMNS, lines, numbers=(3, 4))
    for row in steps:
        if row.is_off:
            logger.warning("%s of %s: %s", row.step, row.feature, row.meaning)


def _word(row: Measured) -> str:
    return "off" if row.is_off else "right"

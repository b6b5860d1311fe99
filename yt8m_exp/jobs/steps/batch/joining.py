"""Joins parts to one file, or leaves them in their folder; each video occurs once in the end."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from yt8m_exp.data.ids import Once
from yt8m_exp.evaluation.sample import Sample
from yt8m_exp.jobs.steps.batch.plan import Plan
from yt8m_exp.serving.parts import folder as parts
from yt8m_exp.serving.parts.folder import Part
from yt8m_exp.serving.parts.forms import Form, Segments


def join(
    plan: Plan, found: Mapping[int, Part], form: Form, file: Any | None, sample: Sample
) -> tuple[list[Part], int]:
    """Adds the parts to a file in the order of the shards.

    Args:
        plan: the plan.
        found: the parts by place; a shard without one is left out.
        form: what they hold.
        file: the file; None leaves them, but for videos that a shard before has.
        sample: gathers what the run's page shows.

    Returns:
        The parts as they are now, and how many videos they hold, each once.
    """
    once, kept_parts, videos = Once(), [], 0
    for place in sorted(found):
        part = found[place]
        data = part.read()
        ids = form.ids(data)
        new = once(ids)
        if not new.all():
            data = form.select(data, new)
            if file is None:
                part = _replaced(plan.folder, part, data, form)
        if file is not None:
            form.add(data, file)
        _add(sample, form, data, [name for name, first in zip(ids, new, strict=True) if first])
        kept_parts.append(part)
        videos += int(new.sum())
    if file is None:
        _remove_others(plan.folder, kept_parts)
    return kept_parts, videos


def _replaced(folder: str, part: Part, data: bytes, form: Form) -> Part:
    """Writes a part anew, without the videos that a shard before has."""
    written = parts.write(folder, part.stem, part.key, part.videos, data, form.suffix)
    parts.remove(part.object.uri)
    return written


def _remove_others(folder: str, kept: Sequence[Part]) -> None:
    """Removes what a run left that was killed while it wrote a part anew."""
    names = {part.name for part in kept}
    for part in parts.found(folder):
        if part.name not in names:
            parts.remove(part.object.uri)


def _add(sample: Sample, form: Form, data: bytes, ids: list[bytes]) -> None:
    if isinstance(form, Segments):
        return
    rows = sample.wanted(np.array(ids, object))
    found = form.take(data, rows)
    sample.add({"id": found.ids}, found.scores, found.class_ids)
    sample.videos += len(ids) - len(rows)

"""Ranks every segment of videos, rated or not, as the competition of 2019 does."""

from dataclasses import replace

import keras

from yt8m_exp.data import shards
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.shards import Reading
from yt8m_exp.evaluation import scoring, segments
from yt8m_exp.evaluation.lists import RankedLists
from yt8m_exp.evaluation.segments import SegmentMetrics
from yt8m_exp.terminal import progress


def rank(model: keras.Model, rated: Manifest, *, listed: int) -> SegmentMetrics:
    """Scores all segments of shards with a model, and evaluates the lists of the rated classes.

    Args:
        model: takes frames.
        rated: shards whose segments people rated.
        listed: segments of each class that count.
    """
    schema = replace(rated.schema, level="frame")
    bad, reading = "skip" if rated.skip_bad else "stop", Reading(rated.cache)
    whole = shards.scan(rated.source, schema, on_bad_record=bad, reading=reading)
    ratings = segments.gather_ratings(ordered_batches(rated))
    lists = RankedLists(sorted(ratings), most=listed)
    score = scoring.scorer(model, lists.class_ids)
    with progress.shown("Ranking segments", whole.records, unit="videos") as advance:
        for videos, pieces in segments.cut_all(ordered_batches(whole)):
            for piece in pieces:
                lists.add(piece["id"].tolist(), lists.class_ids, score(piece))
            advance(videos)
    ranked = ((class_id, names.astype(str).tolist()) for class_id, names in lists.lists())
    return segments.evaluate_lists(ranked, ratings, n=listed)

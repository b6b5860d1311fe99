"""Scores files of predictions against labels: of videos or of segments, without a model."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yt8m_exp import spec
from yt8m_exp.data import vocabulary
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.shards import Reading
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation import files, segments
from yt8m_exp.evaluation.metrics import Evaluation
from yt8m_exp.serving.predictions import read_predictions
from yt8m_exp.serving.segment_files import read_ratings, read_segments
from yt8m_exp.spec import InputError
from yt8m_exp.tracking import datasets

logger = logging.getLogger(__name__)

VOCABULARY = spec.PROJECT / "sample" / "vocabulary.csv"
SENTENCES = {
    "missing": "Labelled, but not in the file, so nothing of them counts as predicted",
    "unknown": "In the file, but not labelled, so left out",
}


@dataclass(frozen=True, eq=False)
class Scored:
    """The result of scoring a file.

    Attributes:
        found: What the metrics of a file are computed from.
        counts: Numbers of videos or segments, by name.
        manifest: The shards that held the labels; None if a CSV did.
        words: Names of the classes.
    """

    found: Evaluation
    counts: Mapping[str, int]
    manifest: Manifest | None
    words: Vocabulary


def score(cfg: Mapping[str, Any], reading: Reading) -> Scored:
    """Scores `predictions` or `segment_predictions` of `conf/eval.yaml`.

    Args:
        cfg: The configuration.
        reading: How shards of labels are read.

    Raises:
        InputError: A file has another format, or holds nothing that is labelled.
        MissingInputError: There is no such file, or a pattern matches no shard.
    """
    scorer = _score_segments if cfg["segment_predictions"] else _score_videos
    return scorer(cfg, reading)


def _score_videos(cfg: Mapping[str, Any], reading: Reading) -> Scored:
    manifest = None
    if cfg["labels"]:
        labels = files.read_labels(cfg["labels"])
    else:
        # Shards of both levels hold ids and labels in the same place, so no features are needed.
        manifest = _checked(cfg, Schema({}, cfg["classes"]), reading)
        labels = files.gather_labels(ordered_batches(manifest))
    logger.info("Scoring %s against %s videos", cfg["predictions"], f"{len(labels):,}")
    scored = files.score_predictions(
        read_predictions(cfg["predictions"]),
        labels,
        cfg["classes"],
        top_k=cfg["top_k"],
        top_n=cfg["top_n"],
    )
    counts = {"missing": scored.missing, "unknown": scored.unknown}
    for name, count in counts.items():
        if count:
            logger.warning("%s: %s videos", SENTENCES[name], f"{count:,}")
    words = VOCABULARY if cfg["classes"] == spec.CLASSES else None
    found = Evaluation(scored.ranked, sample=scored.sample)
    return Scored(found, counts, manifest, vocabulary.read(words, cfg["classes"]))


def _score_segments(cfg: Mapping[str, Any], reading: Reading) -> Scored:
    manifest = None
    if cfg["labels"]:
        ratings = read_ratings(cfg["labels"])
    elif cfg["shards"]:
        schema = Schema({"rgb": spec.RGB}, cfg["classes"], "segment")
        manifest = _checked(cfg, schema, reading)
        ratings = segments.gather_ratings(ordered_batches(manifest))
    else:
        raise InputError(
            "shards or labels must be given with segment_predictions: shards of 2019 whose "
            "segments people rated, or their ratings. The sample has none."
        )
    lists = list(read_segments(cfg["segment_predictions"]))
    found = segments.evaluate_lists(lists, ratings, n=cfg["segments_listed"])
    known = sum(bool(ratings.get(class_id)) for class_id, _ in lists)
    if not known:
        raise InputError(
            f"{cfg['segment_predictions']}: a class must be rated in some segment, but none of the "
            f"{len(lists)} that it lists is."
        )
    rated = {segment for of_class in ratings.values() for segment in of_class}
    if rated.isdisjoint(segment for _, listed in lists for segment in listed):
        logger.warning(
            "None of the listed segments was rated for any class. Are their names <video>:<start>, "
            "of the rated videos? A rated one is %s.",
            min(rated),
        )
    counts = {
        "videos": len({segment.rpartition(":")[0] for segment in rated}),
        "classes_listed": len(lists),
        "classes_rated": known,
        "classes_with_positives": found.classes_with_positives,
    }
    return Scored(Evaluation(segments=found), counts, manifest, Vocabulary(()))


def _checked(cfg: Mapping[str, Any], schema: Schema, reading: Reading) -> Manifest:
    bad = cfg["on_bad_record"]
    return datasets.checked(cfg["shards"], schema, on_bad_record=bad, reading=reading)

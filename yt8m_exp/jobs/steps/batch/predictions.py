"""What is predicted of a batch, as the settings of a prediction by shard say."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from yt8m_exp.data.ids import Once
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.videos import Batch
from yt8m_exp.evaluation import scoring, segments
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.evaluation.frame_shifts import moved, moves_any, shifted
from yt8m_exp.evaluation.lists import RankedLists
from yt8m_exp.evaluation.scoring import best, masked
from yt8m_exp.serving import parquet
from yt8m_exp.serving.parts.forms import Csv, Form, Found, Parquet, Segments
from yt8m_exp.serving.tagger import Tagger

Cut = tuple[NDArray, NDArray, NDArray]
"""Of the segments of a batch: scores (N, K), names (N,), the row of each one's video (N,)."""


class Predictions(Protocol):
    """Predicts batches, in two steps for two threads."""

    def read(self, manifest: Manifest) -> Manifest:
        """Returns shards that load as the model needs them."""

    def scores(self, batch: Batch) -> Any:
        """Returns what the model says of a batch."""

    def found(self, batch: Batch, scores: Any) -> Found:
        """Returns what is kept of that."""


def settings(cfg: DictConfig, listed: NDArray | None, shards: str) -> dict[str, Any]:
    """Returns all of a configuration that decides on what is predicted of a shard.

    Args:
        cfg: of `conf/inference.yaml`.
        listed: the classes that are predicted, None for all.
        shards: a digest of all shards, on which parts of segments depend.
    """
    found = {
        "on_bad_record": cfg.on_bad_record,
        "batch_size": cfg.batch_size,
        "frame_shifts": list(cfg.frame_shifts),
        "classes": None if listed is None else listed.tolist(),
    }
    if cfg.segments:
        return found | {"form": "segments", "most": cfg.segments_per_class, "shards": shards}
    if cfg.output.rstrip("/").endswith(parquet.SUFFIX):
        return found | {"form": "parquet", "top_k": cfg.top_k}
    return found | {"form": "csv", "top_k": cfg.top_k, "score_format": cfg.score_format}


def form_of(settings: Mapping[str, Any]) -> Form:
    """Returns what parts hold."""
    if settings["form"] == "segments":
        return Segments(np.array(settings["classes"], np.int32))
    return Parquet() if settings["form"] == "parquet" else Csv(settings["score_format"])


def predictions_of(
    tagger: Tagger, settings: Mapping[str, Any], *, prunes: bool = False
) -> Predictions:
    """Returns what predicts batches.

    Args:
        tagger: the model.
        settings: see `settings`.
        prunes: whether scores of segments that no list can hold become 0.
    """
    classes, moves = settings["classes"], settings["frame_shifts"]
    listed = None if classes is None else np.array(classes, np.int32)
    if settings["form"] != "segments" or listed is None:
        return OfVideos(tagger, settings["top_k"], listed, moves)
    lists = RankedLists(listed, most=settings["most"]) if prunes else None
    return OfSegments(tagger, listed, lists, moves)


class OfVideos:
    """Predicts whole videos; see `Predictions`."""

    def __init__(
        self, tagger: Tagger, top_k: int, listed: NDArray | None, moves: Sequence[int]
    ) -> None:
        self._tagger, self._top_k, self._listed = tagger, top_k, listed
        self._predict, self._moves = shifted(tagger.predictor, moves), moves

    def read(self, manifest: Manifest) -> Manifest:
        return manifest if moves_any(self._moves) else Entry(self._tagger.model).read(manifest)

    def scores(self, batch: Batch) -> NDArray:
        return self._predict(batch)

    def found(self, batch: Batch, scores: NDArray) -> Found:
        known = scores if self._listed is None else masked(scores, self._listed)
        chosen = best(batch, known, self._top_k)
        return Found(batch["id"], chosen.class_ids, chosen.scores)


class OfSegments:
    """Predicts the segments of videos; see `Predictions`.

    Args:
        tagger: the model.
        class_ids: the classes that are listed.
        lists: gathers what is predicted. A score that is lower than so many others as a list holds
            becomes 0: it is in no list of all segments, either. None keeps each.
        moves: see `frame_shifts.shifted`.
    """

    def __init__(
        self, tagger: Tagger, class_ids: NDArray, lists: RankedLists | None, moves: Sequence[int]
    ) -> None:
        self._score, self._moves = scoring.scorer(tagger.model, class_ids), moves
        self._class_ids, self._lists, self._once = class_ids, lists, Once()

    def read(self, manifest: Manifest) -> Manifest:
        return manifest

    def scores(self, batch: Batch) -> Cut:
        copies = (moved(batch, move) for move in self._moves)
        cuts = [pieces for _, pieces in segments.cut_all(copies)]
        pieces, *_ = cuts
        scores = [self._scored(cut) for cut in cuts]
        return (
            scores[0] if len(scores) == 1 else np.asarray(np.mean(scores, axis=0)),
            np.concatenate([np.empty(0, object), *(piece["id"] for piece in pieces)]),
            np.concatenate([np.empty(0, np.int64), *(piece["row"] for piece in pieces)]),
        )

    def _scored(self, pieces: Sequence[Batch]) -> NDArray:
        scores = [self._score(piece) for piece in pieces]
        return np.concatenate([np.empty((0, self._class_ids.size), np.float32), *scores])

    def found(self, batch: Batch, scores: Cut) -> Found:
        values, names, rows = scores
        if self._lists:
            new = self._once(batch["id"])[rows]
            self._lists.add(names[new].tolist(), self._class_ids, values[new])
            values = np.where(values >= self._lists.floors, values, np.float32(0))
        return Found(batch["id"], self._class_ids, values, (names, rows))

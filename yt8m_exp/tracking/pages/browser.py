"""The page of a run on which people look at its videos and classes, and the arrays behind it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mlflow import MlflowClient
from numpy.typing import NDArray

from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation.ranked import Ranked
from yt8m_exp.evaluation.sample import Predicted
from yt8m_exp.plots.browser import page as browser
from yt8m_exp.plots.browser.page import Model
from yt8m_exp.tracking import store

ERRORS, PREDICTIONS = "errors.html", "predictions.html"
ARRAYS = "videos.npz"
SURE = 0.5


class Logged(NamedTuple):
    """What a run logged of its videos and classes.

    Attributes:
        found: a sample of its videos.
        ap: average precision of each class over all videos, (C,).
        positives: videos that have the class, (C,).
        words: names and verticals of the classes.
    """

    found: Predicted
    ap: NDArray
    positives: NDArray
    words: Vocabulary


def log_errors(
    client: MlflowClient,
    run_id: str,
    what: str,
    ranked: Ranked,
    found: Predicted,
    words: Vocabulary,
) -> None:
    """Logs the page of an evaluation, and the arrays that two of them are compared by.

    Args:
        client: a client of the tracking store.
        run_id: the run.
        what: what was evaluated.
        ranked: what the pass gathered of all videos.
        found: a sample of the videos.
        words: names and verticals of the classes.
    """
    at = ranked.at_best_f1
    columns = {
        "videos": ranked.positives,
        "AP": ranked.ap,
        "threshold": at.threshold,
        "precision": at.precision,
        "recall": at.recall,
    }
    facts = [
        f"<p>GAP {ranked.gap:.4f}, mAP {ranked.map:.4f}, Hit@1 {ranked.hit_at_1:.4f} on "
        f"{ranked.videos:,} videos.</p>"
    ]
    page = browser.render(f"Evaluation of {what}", facts, [Model(what, found)], words, columns)
    client.log_text(run_id, page, ERRORS)
    log_arrays(client, run_id, Logged(found, ranked.ap, ranked.positives, words))


def log_predictions(
    client: MlflowClient, run_id: str, what: str, found: Predicted, words: Vocabulary
) -> None:
    """Logs the page of a prediction; see `log_errors`."""
    classes = len(words.names)
    best, scores = found.class_ids[:, :1], found.scores
    columns = {
        "best in": np.bincount(best.ravel(), minlength=classes),
        f"score ≥ {SURE}": np.bincount(found.class_ids[scores >= SURE], minlength=classes),
    }
    facts = [f"<p>{found.videos:,} videos.</p>"]
    page = browser.render(f"Predictions of {what}", facts, [Model(what, found)], words, columns)
    client.log_text(run_id, page, PREDICTIONS)


def log_arrays(client: MlflowClient, run_id: str, logged: Logged) -> None:
    """Logs what two models are compared by; see `read`."""
    found = logged.found
    arrays = {
        "ids": np.array(found.ids.tolist(), np.bytes_),
        "class_ids": found.class_ids,
        "scores": found.scores.astype(np.float16),
        "labels": found.labels,
        "videos": np.array(found.videos),
        "ap": logged.ap,
        "positives": logged.positives,
        "names": np.array(logged.words.names, np.str_),
        "verticals": np.array(logged.words.verticals, np.str_),
    }
    if found.frames is not None:
        arrays["frames"] = found.frames
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ARRAYS
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # stubs of NumPy 2.3
        client.log_artifact(run_id, str(path))


def read(client: MlflowClient, run_id: str) -> Logged | None:
    """Returns what `log_errors` logged to a run; None if it logged nothing."""
    if ARRAYS not in {file.path for file in client.list_artifacts(run_id)}:
        return None
    with tempfile.TemporaryDirectory() as folder, store.no_bars():
        return _read(client.download_artifacts(run_id, ARRAYS, folder))


def _read(path: str) -> Logged:
    with np.load(path, allow_pickle=False) as arrays:
        found = Predicted(
            arrays["ids"].astype(object),
            arrays["class_ids"],
            arrays["scores"].astype(np.float32),
            arrays["labels"],
            arrays.get("frames"),
            int(arrays["videos"]),
        )
        words = Vocabulary(
            tuple(arrays["names"].tolist()), verticals=tuple(arrays["verticals"].tolist())
        )
        return Logged(found, arrays["ap"], arrays["positives"], words)


def shared(runs: Sequence[Logged]) -> list[Predicted]:
    """Returns the videos that all runs have, in one order."""
    both = set(runs[0].found.ids).intersection(*(run.found.ids for run in runs[1:]))
    kept = [name for name in runs[0].found.ids if name in both]
    rows = [{name: row for row, name in enumerate(run.found.ids)} for run in runs]
    return [
        run.found.take(np.array([places[name] for name in kept], np.int64))
        for run, places in zip(runs, rows, strict=True)
    ]

"""The kinds of problems that shards may have, declared once, and where one was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from yt8m_exp.data.doctor.statistics import Described
from yt8m_exp.data.tfrecords import tfrecord


class Kind(NamedTuple):
    """A kind of problem.

    Attributes:
        title: what is counted.
        meaning: what it is, and what to do, in sentences.
    """

    title: str
    meaning: str


FAKE_NORM = 3.2
"""Real videos have a longer `mean_rgb`: 3.228 is the shortest of the first 100 validation shards of
2018, 4.9 that of a test shard of which half are fakes."""

RGB, AUDIO = ("mean_rgb", "rgb"), ("mean_audio", "audio", "audio_embedding")

KINDS = {
    "empty": Kind("empty files", f"The file has 0 bytes. {tfrecord.AGAIN}"),
    "cut": Kind(
        "cut files",
        f"The file ends in the middle of a record; what follows is lost. {tfrecord.AGAIN}",
    ),
    "corrupt": Kind("corrupt records", f"A checksum fails: bytes have changed. {tfrecord.AGAIN}"),
    "malformed": Kind(
        "malformed records",
        "The record does not hold what its level needs. Training and scoring stop at it, or leave "
        "it out with `on_bad_record=skip`.",
    ),
    "not_finite": Kind("records with NaN or infinity", "They are left out as malformed ones are."),
    "fake": Kind(
        "fake videos",
        f"The mean of their frames is shorter than {FAKE_NORM}: filling of the test split, which "
        "no score counts.",
    ),
    "zero_audio": Kind(
        "videos without sound",
        "Their audio is one value throughout: the extractor found no sound, or did not look.",
    ),
    "out_of_range": Kind(
        "videos beyond [-2, 2]",
        "The release's features are clipped there. These were extracted or dequantised otherwise.",
    ),
    "unlabelled": Kind(
        "videos without labels",
        "Shards of the test split have none: they can be predicted, but not trained or scored on.",
    ),
    "repeated_id": Kind("ids that occur again", "A video before them in the same shards has it."),
    "repeated_content": Kind(
        "contents that occur again", "A video before them has the same features, under another id."
    ),
    "leaked_id": Kind(
        "leaked ids",
        "The video is in `shards` and in `against`: a model that is trained on the one is not "
        "judged by the other.",
    ),
    "leaked_content": Kind(
        "leaked contents", "The same features are in `shards` and in `against`, under another id."
    ),
}
"""By the name under which they are counted."""
LISTED = 1000
"""Numbers of records that `Finding.as_dict` lists of a problem and a shard."""


def verdict(counts: Mapping[str, int]) -> str:
    """Returns a sentence of all problems there are, from how many there are of each kind."""
    found = [f"{KINDS[kind].title} ({count:,})" for kind, count in counts.items() if count]
    return f"Found: {', '.join(found)}." if found else "No problem was found."


@dataclass(frozen=True)
class Finding:
    """A problem of one kind in one shard.

    Args:
        kind: one of `KINDS`.
        path: the shard.
        records: the numbers of the records that have it, rising.
        text: what is wrong with the first of them, or with the file.
    """

    kind: str
    path: str
    records: np.ndarray
    text: str

    @property
    def count(self) -> int:
        """How many records have the problem; a file counts as one."""
        return len(self.records)

    def as_dict(self) -> dict[str, Any]:
        """Returns it as plain data, with the numbers of at most `LISTED` records."""
        return {
            "kind": self.kind,
            "shard": self.path,
            "count": self.count,
            "records": self.records[:LISTED].tolist(),
            "first": self.text,
        }


class Found:
    """Gathers the problems of a shard.

    Args:
        path: the shard.
    """

    def __init__(self, path: str):
        self._path = path
        self._found: dict[str, dict[int, str]] = {}

    def add(self, kind: str, record: int, text: str) -> None:
        """Adds a problem of a record; the first text of a kind and a record counts."""
        self._found.setdefault(kind, {}).setdefault(record, text)

    def add_rows(self, kind: str, records: np.ndarray, text: str) -> None:
        """Adds a problem that several records have."""
        if records.size:
            self._found.setdefault(kind, {}).update(dict.fromkeys(records.tolist(), text))

    def findings(self) -> tuple[Finding, ...]:
        """Returns what was found, in the order of `KINDS`."""
        return tuple(self._finding(kind) for kind in KINDS if kind in self._found)

    def _finding(self, kind: str) -> Finding:
        records = np.array(sorted(self._found[kind]))
        text = self._found[kind][int(records[0])]
        place = "" if kind == "empty" else f"record {records[0]}: "
        return Finding(kind, self._path, records, place + text)


def odd_videos(
    described: Described, rows: np.ndarray, keep: np.ndarray, found: Found
) -> np.ndarray:
    """Finds videos whose features are odd; returns which are fakes."""
    fake = np.zeros(len(rows), bool)
    for name, norms, constant, wide in described.by_feature():
        if name in RGB:
            fake = keep & (norms < FAKE_NORM)
            first = norms[fake][0] if fake.any() else 0
            found.add_rows("fake", rows[fake], f"the norm of its `{name}` is {first:.2f}.")
        if name in AUDIO:
            text = f"its `{name}` is one value throughout."
            found.add_rows("zero_audio", rows[keep & constant], text)
        text = f"its `{name}` has a value beyond [-2, 2]."
        found.add_rows("out_of_range", rows[keep & wide], text)
    return fake

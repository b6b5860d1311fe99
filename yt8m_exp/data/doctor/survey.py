"""What shards hold together: totals, repeated videos, and videos that leak into another set."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from yt8m_exp.data.doctor.examination import Examination
from yt8m_exp.data.doctor.findings import KINDS, Finding
from yt8m_exp.data.doctor.statistics import Feature


@dataclass(frozen=True)
class Part:
    """What is kept of a shard; see `Examination`."""

    path: str
    bytes: int
    crc32c: str
    level: str
    classes: int
    rows: np.ndarray
    ids: np.ndarray
    hashes: np.ndarray
    fingerprints: np.ndarray


class Survey:
    """A set of shards: what they hold, and what is wrong with it.

    Attributes:
        parts: the shards.
        findings: what is wrong with each by itself.
        features: statistics of each feature by name, in the order in which they come.
        class_counts: videos (or rated segments) of each class, by number of classes.
        labels_per_video: how many videos have 0, 1, 2, ... labels; empty of rated segments.
        frames_per_video: how many videos have 0, 1, 2, ... frames; empty at video level.
    """

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.findings: list[Finding] = []
        self.features: dict[str, Feature] = {}
        self.class_counts: dict[int, np.ndarray] = {}
        self.labels_per_video = np.zeros(0, np.int64)
        self.frames_per_video = np.zeros(0, np.int64)

    def add(self, found: Examination) -> None:
        """Adds a shard."""
        self.parts.append(_part(found))
        self.findings += found.findings
        for name, feature in found.features.items():
            self.features[name] = (
                self.features[name] + feature if name in self.features else feature
            )
        per_row = np.diff(found.labels.splits)
        if found.schema.level != "segment":
            self.labels_per_video = _add(self.labels_per_video, np.bincount(per_row))
        if found.frames is not None:
            self.frames_per_video = _add(self.frames_per_video, np.bincount(found.frames))
        classes = found.schema.classes
        counts = self.class_counts.setdefault(classes, np.zeros(classes, np.int64))
        row = np.repeat(np.arange(len(per_row)), per_row)
        once = np.unique(row * classes + found.labels.labels)  # a video may name a class twice
        counts += np.bincount(once % classes, minlength=classes)

    @cached_property
    def videos(self) -> int:
        """How many videos are usable."""
        return sum(len(part.rows) for part in self.parts)

    @cached_property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(part.bytes for part in self.parts)

    @cached_property
    def levels(self) -> dict[str, int]:
        """How many shards of each level there are."""
        return dict(Counter(part.level for part in self.parts).most_common())

    @cached_property
    def hashes(self) -> np.ndarray:
        """A hash of the id of each video, int64 (N,), of this process alone."""
        return np.concatenate([part.hashes for part in self.parts])

    @cached_property
    def fingerprints(self) -> np.ndarray:
        """A fingerprint of the features of each video, uint64 (N,)."""
        return np.concatenate([part.fingerprints for part in self.parts])

    def manifest(self, source: Sequence[str]) -> dict:
        """Returns which files these are, as plain data; see `manifest.Manifest.as_dict`."""
        files = [
            {
                "name": Path(p.path).name,
                "bytes": p.bytes,
                "crc32c": p.crc32c,
                "records": len(p.rows),
            }
            for p in self.parts
        ]
        rows = sorted(f"{file['name']} {file['bytes']} {file['crc32c']}" for file in files)
        digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()[:32]
        return {
            "digest": digest, "source": list(source), "records": self.videos, "shards": files,
        }  # fmt: skip

    def at(self, videos: np.ndarray) -> list[tuple[int, int]]:
        """Returns the part and the row in it of videos, given by their place in the set."""
        ends = np.cumsum([len(part.rows) for part in self.parts])
        part = np.searchsorted(ends, videos, side="right")
        begin = np.concatenate([[0], ends])[part]
        return list(zip(part.tolist(), (videos - begin).tolist(), strict=True))


def survey(examinations: Iterable[Examination]) -> Survey:
    """Gathers examinations."""
    found = Survey()
    for examination in examinations:
        found.add(examination)
    return found


def repeats(found: Survey) -> Iterator[Finding]:
    """Finds the videos of a set whose id, or else whose content, a video before them has."""
    by_id = _first_of_equal(found.hashes)
    places = np.arange(len(by_id))
    yield from _paired("repeated_id", found, by_id != places, found, by_id)
    by_content = _first_of_equal(found.fingerprints)
    later = (by_content != places) & (by_id == places)
    yield from _paired("repeated_content", found, later, found, by_content)


def leaks(found: Survey, against: Survey) -> Iterator[Finding]:
    """Finds the videos of one set that are, by id or else by content, in another."""
    by_id = _first_in(against.hashes, found.hashes)
    yield from _paired("leaked_id", against, by_id >= 0, found, by_id)
    by_content = _first_in(against.fingerprints, found.fingerprints)
    later = (by_content >= 0) & (by_id < 0)
    yield from _paired("leaked_content", against, later, found, by_content)


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Returns how many problems of each of `KINDS` there are."""
    found = dict.fromkeys(KINDS, 0)
    for finding in findings:
        found[finding.kind] += finding.count
    return found


def _part(found: Examination) -> Part:
    ids = found.ids.tolist()
    return Part(
        path=found.path,
        bytes=found.bytes,
        crc32c=found.crc32c,
        level=found.schema.level,
        classes=found.schema.classes,
        rows=found.rows.astype(np.int32),
        ids=np.array(ids, np.bytes_),
        hashes=np.fromiter(map(hash, ids), np.int64, len(ids)),
        fingerprints=found.fingerprints,
    )


def _add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    total = np.zeros(max(len(a), len(b)), np.int64)
    total[: len(a)] += a
    total[: len(b)] += b
    return total


def _first_of_equal(values: np.ndarray) -> np.ndarray:
    """Returns for each value the place of the first that is equal."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    fresh = np.ones(len(values), bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    first = np.empty(len(values), np.int64)
    first[order] = order[np.flatnonzero(fresh)[np.cumsum(fresh) - 1]]
    return first


def _first_in(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Returns for each value the place of the first equal one among others; -1 without one."""
    if not among.size:
        return np.full(len(values), -1)
    order = np.argsort(among, kind="stable")
    place = np.minimum(np.searchsorted(among[order], values), len(among) - 1)
    return np.where(among[order[place]] == values, order[place], -1)


def _paired(
    kind: str, found: Survey, which: np.ndarray, other: Survey, partner: np.ndarray
) -> Iterator[Finding]:
    """Yields a finding for each shard with such videos; names the first, and its partner."""
    videos = np.flatnonzero(which)
    of_part: dict[int, list[tuple[int, int]]] = {}
    for (place, row), video in zip(found.at(videos), videos.tolist(), strict=True):
        of_part.setdefault(place, []).append((row, video))
    for place, rows in of_part.items():
        part, (first, video) = found.parts[place], rows[0]
        ((other_place, row),) = other.at(partner[[video]])
        twin = other.parts[other_place]
        alias = f", {_name(twin, row)}" if "content" in kind else ""
        text = (
            f"record {part.rows[first]}: {_name(part, first)} is also record {twin.rows[row]} of "
            f"{twin.path}{alias}."
        )
        yield Finding(kind, part.path, part.rows[[row for row, _ in rows]], text)


def _name(part: Part, row: int) -> str:
    return repr(part.ids[row].decode())

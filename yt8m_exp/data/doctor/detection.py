"""Tells from the first records of a shard what all of them must hold."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from google.protobuf.message import DecodeError

from yt8m_exp import spec
from yt8m_exp.data.tfrecords.messages import SequenceExample
from yt8m_exp.data.tfrecords.records import Schema

Level = Literal["video", "frame", "segment"]
RELEASED: Mapping[Level, Mapping[str, int]] = {
    "video": {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO},
    "frame": {"rgb": spec.RGB, "audio": spec.AUDIO},
    "segment": {"rgb": spec.RGB, "audio": spec.AUDIO},
}
AUDIOSET = "audio_embedding"
MOST_FRAMES = 360
"""Frames of a video in older files: all are looked at."""


def schema_of(
    records: Iterable[bytes], *, level: Level | None = None, classes: int | None = None
) -> Schema:
    """Returns the schema that some records have.

    Features of the release must have its sizes. Others count only where none of those is there, and
    must be as long as the first of them. A shard of which nothing can be told must hold videos of
    the release.

    Args:
        records: serialized records, which may be anything.
        level: what they are; None tells it from them.
        classes: how many there are; None tells it from the release of the records.
    """
    keys: set[str] = set()
    lists: dict[str, int] = {}
    values: dict[str, int] = {}
    for record in records:
        try:
            parsed = SequenceExample.FromString(record)
        except DecodeError:
            continue
        context = parsed.context.feature
        keys |= set(context)
        for name in context:
            values.setdefault(name, len(context[name].float_list.value))
        for name, rows in parsed.feature_lists.feature_list.items():
            lists.setdefault(name, _row_bytes(rows))
    level = level or _level(keys, lists)
    return Schema(
        features=_features(values if level == "video" else lists, level),
        classes=classes or _classes(keys, lists),
        level=level,
        max_frames=MOST_FRAMES,
    )


def _row_bytes(rows: Any) -> int:
    first = rows.feature[0].bytes_list.value if rows.feature else ()
    return len(first[0]) if first else 0


def _level(keys: set[str], lists: Mapping[str, int]) -> Level:
    if not lists:
        return "video"
    return "segment" if any(key.startswith("segment_") for key in keys) else "frame"


def _classes(keys: set[str], lists: Mapping[str, int]) -> int:
    if AUDIOSET in lists:
        return spec.CLASSES_AUDIOSET
    return spec.CLASSES_2017 if "video_id" in keys and "id" not in keys else spec.CLASSES


def _features(found: Mapping[str, int], level: Level) -> dict[str, int]:
    released = {name: size for name, size in RELEASED[level].items() if name in found}
    others = {name: size for name, size in found.items() if size and name != "segment_scores"}
    return dict(released or others or RELEASED[level])

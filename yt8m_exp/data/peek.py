"""Looks at the first record of shards, before all of them are read."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from yt8m_exp import spec
from yt8m_exp.data import ids
from yt8m_exp.data.tfrecords.messages import SequenceExample
from yt8m_exp.spec import InputError
from yt8m_exp.stores.objects import Object
from yt8m_exp.stores.uris import is_local

HEAD_BYTES = 12  # of a record: its length and its checksum
ID_BYTES_2018 = 4
LABELS = {"labels", "segment_labels"}


def require_labels(found: Iterable[Object]) -> None:
    """Refuses shards of the test split, by the first record of the first shard.

    A distant shard passes, and one in which no record is found: the check of all records names
    what is wrong with it.

    Raises:
        InputError: the record has no labels.
    """
    uri, keys, _ = _first(found)
    if keys and not keys & LABELS:
        raise InputError(
            f"{uri}: its first record has no `labels`. Shards of the test split can be "
            "predicted, but not trained or scored on."
        )


def require_features(
    found: Iterable[Object], features: Collection[str], *, taker: str, remedy: str
) -> None:
    """Refuses shards without the features that are read, by the first record of the first shard.

    What `require_labels` lets pass, passes here.

    Args:
        found: the shards.
        features: their names.
        taker: what takes them.
        remedy: what to do.

    Raises:
        InputError: the record has not all of them.
    """
    uri, keys, frames = _first(found)
    there = frames or keys - LABELS - set(ids.ID_KEYS)
    if there and (lacking := set(features) - keys - frames):
        raise InputError(
            f"{uri}, record 0: {taker} takes {', '.join(sorted(lacking))}, but the record has "
            f"{', '.join(sorted(there))}. {remedy}"
        )


def require_release(found: Iterable[Object], classes: int) -> None:
    """Refuses shards of 2018 for the classes of 2017, whose numbers mean something else.

    Both hold labels below 3,862. In 2018, ids have another key and four characters; own videos have
    that key, and longer ids. What `require_labels` lets pass, passes here.

    Raises:
        InputError: the shards are of 2018.
    """
    if classes != spec.CLASSES_2017:
        return
    uri = next(iter(found)).uri
    record = _record(Path(uri)) if is_local(uri) else None
    names = record.context.feature[ids.ID_KEYS[0]].bytes_list.value if record else ()
    if [len(name) for name in names] == [ID_BYTES_2018]:
        raise InputError(
            f"{uri}: labels must be of the {classes:,} classes of 2017, but its first record has "
            f"the `{ids.ID_KEYS[0]}` of one of 2018, where each label has another number. "
            f"Name shards of 2017, whose records have a `{ids.ID_KEYS[1]}`."
        )


def _first(found: Iterable[Object]) -> tuple[str, set[str], set[str]]:
    """Returns the first shard, and its first record's features: beside frames, and of frames."""
    uri = next(iter(found)).uri
    record = _record(Path(uri)) if is_local(uri) else None
    if record is None:
        return uri, set(), set()
    context = record.context.feature
    keys = {key for key, value in context.items() if value.WhichOneof("kind")}
    return uri, keys, set(record.feature_lists.feature_list)


def _record(path: Path) -> Any:
    """Returns a shard's first record; None if there is none."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(HEAD_BYTES)[:8], "little")
        if not 0 < length < path.stat().st_size:
            return None
        try:
            return SequenceExample.FromString(file.read(length))
        except DecodeError:
            return None

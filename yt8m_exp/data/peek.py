"""Looks at the first record of shards, before all of them are read."""

from collections.abc import Iterable
from pathlib import Path

from google.protobuf.message import DecodeError

from yt8m_exp.data.tfrecords.messages import SequenceExample
from yt8m_exp.spec import InputError
from yt8m_exp.stores.objects import Object
from yt8m_exp.stores.uris import is_local

HEAD_BYTES = 12  # of a record: its length and its checksum
LABELS = {"labels", "segment_labels"}


def require_labels(found: Iterable[Object]) -> None:
    """Refuses shards of the test split, by the first record of the first shard.

    A distant shard passes, and one in which no record is found: the check of all records names
    what is wrong with it.

    Raises:
        InputError: the record has no labels.
    """
    first = next(iter(found))
    if not is_local(first.uri):
        return
    keys = _keys(Path(first.uri))
    if keys and not keys & LABELS:
        raise InputError(
            f"{first.uri}: its first record has no `labels`. Shards of the test split can be "
            "predicted, but not trained or scored on."
        )


def _keys(path: Path) -> set[str]:
    """Returns the features of a shard's first record beside its frames; none if there is none."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(HEAD_BYTES)[:8], "little")
        if not 0 < length < path.stat().st_size:
            return set()
        try:
            record = SequenceExample.FromString(file.read(length))
        except DecodeError:
            return set()
    return {key for key, value in record.context.feature.items() if value.WhichOneof("kind")}

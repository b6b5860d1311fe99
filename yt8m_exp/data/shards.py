"""Shard patterns to a manifest, after a check of the records of the first shards."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from yt8m_exp.data import checks, loading, peek
from yt8m_exp.data.ahead import in_order
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.manifest import DEFAULT_REMEDY, Manifest, Remedy
from yt8m_exp.data.patterns import find_objects
from yt8m_exp.data.tfrecords import large, wire
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.videos import aligned
from yt8m_exp.spec import InputError, MissingInputError
from yt8m_exp.stores.cache import DEFAULT_CACHE, Cache
from yt8m_exp.stores.objects import FOLDER, Object
from yt8m_exp.stores.read_ahead import read_ahead

CHECK_BYTES = 256 << 20
GROUP_BYTES = 1 << 20
"""Shards are checked together up to so many bytes."""
Item = TypeVar("Item")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """How shards are read.

    Args:
        cache: where distant shards are kept.
        check_bytes: shards are checked before any is used until so many bytes have been; the rest
            is checked when it is read. None checks all before.
    """

    cache: Cache = DEFAULT_CACHE
    check_bytes: int | None = CHECK_BYTES


DEFAULT_READING = Reading()


def find(patterns: str | Sequence[str], remedy: Remedy = DEFAULT_REMEDY) -> list[Object]:
    """Finds the shards that patterns match, see `find_objects`.

    Raises:
        MissingInputError: a pattern matches nothing.
        UserError: a store cannot be reached.
    """
    if not patterns:
        raise MissingInputError("At least one shard pattern must be given, but got an empty list.")
    try:
        return find_objects(patterns, names=FOLDER)
    except MissingInputError as error:
        text = str(error).replace("No file", "No shard", 1)
        raise MissingInputError(
            f"{text} Set {remedy.shards} to where yours lie, or fetch the dataset "
            "(yt8m download --help)."
        ) from None


def scan(
    patterns: str | Sequence[str],
    schema: Schema,
    *,
    on_bad_record: str = "stop",
    needs_labels: bool = False,
    reading: Reading = DEFAULT_READING,
    remedy: Remedy = DEFAULT_REMEDY,
) -> Manifest:
    """Describes the shards that patterns match, after a check of the records of the first.

    Args:
        patterns: see `find`.
        schema: what each record must hold.
        on_bad_record: `stop` raises at the first bad record, `skip` leaves such records out.
        needs_labels: whether each record must have labels.
        reading: which shards are checked before, and where distant ones are kept.
        remedy: what the user sets where shards cannot be used.

    Raises:
        MissingInputError: a pattern matches nothing.
        InputError: a record is bad and `on_bad_record` is `stop`, or no record is left.
    """
    if on_bad_record not in ("stop", "skip"):
        raise InputError(f"`on_bad_record` must be stop or skip, but got {on_bad_record!r}.")
    objects = list(find(patterns, remedy))
    if needs_labels:
        peek.require_release(objects, schema.classes)
    shards = tuple(Shard(found, checks.remembered(found, schema)) for found in objects)
    source = (patterns,) if isinstance(patterns, str) else tuple(map(str, patterns))
    manifest = Manifest(
        source,
        shards,
        schema,
        cache=reading.cache,
        skip_bad=on_bad_record == "skip",
        needs_labels=needs_labels,
        remedy=remedy,
    )
    read(manifest, most_bytes=reading.check_bytes)
    for shard in shards:
        manifest.require(shard)
    _report_copies(shards)
    manifest = replace(manifest, began_unread=not manifest.is_read)
    if not manifest.records:
        named = f"{remedy.shards}={','.join(source)}"
        if schema.level == "segment" and not manifest.skipped:
            raise InputError(
                f"No record of {named} has rated segments (`segment_labels`), as the validation "
                "shards of 2019 have. Read others as whole videos: data=frame, segments=false."
            )
        raise InputError(f"No usable record is left in {named}.")
    return manifest


def _report_copies(shards: Sequence[Shard]) -> None:
    """Says which shards hold the same bytes as others, as far as their checksums are known."""
    first: dict[tuple[int, str], Shard] = {}
    copies = [
        (shard, original)
        for shard in shards
        if shard.crc32c and shard.bytes
        and (original := first.setdefault((shard.bytes, shard.crc32c), shard)) is not shard
    ]  # fmt: skip
    if copies:
        copy, original = copies[0]
        logger.warning(
            "%d shards are copies of others, so that their videos count again, as %s of %s. Name "
            "each shard once.",
            *(len(copies), copy.path, original.path),
        )


def repeats_sentence(manifest: Manifest, examples: int = 3) -> str:
    """Says how many rows have the id of one before them, and names some with their shards."""
    found = manifest.repeats
    named = []
    for repeat in found[:examples]:
        shard, first = manifest.shards[repeat.shard], manifest.shards[repeat.first_shard]
        video = _id(shard, repeat.row, manifest).decode()
        named.append(f"{video!r} of {shard.path}" + (f" and {first.path}" * (first != shard)))
    more = ", ..." if len(found) > examples else ""
    return f"{len(found):,} ids occur again: {', '.join(named)}{more}"


def _id(shard: Shard, row: int, manifest: Manifest) -> bytes:
    """Returns the id of a usable row of a shard, of which a large one is read to that row."""
    if not large.is_large(shard):
        return loading.load([shard], manifest.schema, cache=manifest.cache).ids[row]
    with closing(large.load(shard, replace(manifest, means=None))) as pieces:
        for videos in pieces:
            if row < len(videos.ids):
                return videos.ids[row]
            row -= len(videos.ids)
    raise AssertionError(f"{shard.path} has fewer rows than were counted")


def read(manifest: Manifest, *, most_bytes: int | None = None) -> None:
    """Reads and checks shards that nobody has read.

    Args:
        manifest: the shards.
        most_bytes: how much of them must be known at least; None stands for all. Compressed ones
            always must: what they take in memory decides on the groups of an epoch.
    """
    known = sum(shard.bytes for shard in manifest.shards if shard.facts)
    unread = [shard for shard in manifest.shards if not shard.facts]
    if most_bytes is None or sum(shard.bytes for shard in unread) <= most_bytes:
        most_bytes = sum(shard.bytes for shard in manifest.shards) + 1  # all
    wanted = []
    for shard in unread:
        if known < most_bytes or checks.seems_compressed(shard.object):
            wanted.append(shard)
            known += shard.bytes
    _check(manifest, wanted)
    for shard in manifest.shards:  # an estimate needs one record at least
        if not shard.facts and not any(other.records for other in manifest.shards):
            _check(manifest, [shard])


def _check(manifest: Manifest, unread: Sequence[Shard]) -> None:
    def check(group: Sequence[Shard]) -> None:
        if len(group) == 1 and large.is_large(group[0]):
            large.learn(group[0], manifest.schema, manifest.cache)
            return
        places = [0, *accumulate(shard.bytes for shard in group)]
        buffer = aligned((places[-1] + wire.PADDING,))
        for shard, (start, end) in zip(group, pairwise(places), strict=True):
            loading.read(shard, buffer.data[start:end], manifest.cache, packed=True)
        checks.learn_all(group, places[:-1], buffer, manifest.schema)

    groups = list(_groups(unread))
    fetched = read_ahead(groups, lambda group: [one.object for one in group], manifest.cache)
    for _ in in_order(check, shown(fetched, "Checking shards", len(groups)), workers=2, depth=3):
        pass


def _groups(shards: Sequence[Shard]) -> Iterator[list[Shard]]:
    """Yields neighbours that are small together, and each larger shard alone."""
    group: list[Shard] = []
    size = 0
    for shard in shards:
        if group and size + shard.bytes > GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(shard)
        size += shard.bytes
    if group:
        yield group


def shown(shards: Iterable[Item], title: str, total: int) -> Iterable[Item]:
    """Yields shards; shows on a terminal how many of them have been."""
    terminal = Console(stderr=True)
    return track(
        shards, title, total=total, console=terminal, transient=True,
        disable=not (total and terminal.is_terminal),
    )  # fmt: skip

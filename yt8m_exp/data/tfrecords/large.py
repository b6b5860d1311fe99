"""A large shard in pieces of whole records, so that memory does not grow with the shard."""

from collections.abc import Generator

import numpy as np

from yt8m_exp.data import checks, loading
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.tfrecords import compression, facts, pieces, records, tfrecord
from yt8m_exp.data.tfrecords.pieces import Piece
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.videos import Videos, aligned
from yt8m_exp.spec import InputError
from yt8m_exp.stores import checksums
from yt8m_exp.stores.cache import Cache

PIECE_BYTES = 64 << 20
CHUNK = 1 << 20


def is_large(shard: Shard) -> bool:
    """Returns whether a shard is read in pieces; one that is compressed never is."""
    return shard.loaded_bytes > PIECE_BYTES and not shard.compression


def learn(shard: Shard, schema: Schema, cache: Cache) -> None:
    """Checks every record of a shard, and remembers what they hold.

    One that is compressed, or broken so that its records cannot be told to its end, is read whole.
    """
    with loading.opened(shard, cache) as file:
        head = file.read(compression.HEAD_BYTES)
        odd = compression.of(head) or compression.other(head)
        file.seek(0)
        whole = pieces.cut(file, shard.bytes, checksums=True, most_bytes=PIECE_BYTES)
        found = None if odd else facts.check_pieces(shard.object, whole, schema)
    if found:
        checks.remember(shard, found, schema)
        return
    buffer = aligned((loading.room([shard]),))
    loading.read(shard, buffer.data[: shard.bytes], cache, packed=True)
    checks.learn(shard, buffer, schema)


def load(shard: Shard, manifest: Manifest) -> Generator[Videos, None, None]:
    """Reads a shard of a manifest, some videos at a time; an unread one is checked before.

    Its checksum is compared when all of it has been read.

    Raises:
        InputError: see `loading.load`.
    """
    schema = manifest.schema
    if not shard.facts:
        learn(shard, schema, manifest.cache)
        loading.require_plain(shard)
        manifest.require(shard)
    crc, rows = 0, 0
    with loading.opened(shard, manifest.cache) as file:
        for piece in pieces.cut(file, shard.bytes, checksums=False, most_bytes=PIECE_BYTES):
            crc = checksums.extended(crc, piece.fresh)
            videos = _decoded(piece, shard, schema)
            rows += len(videos.ids)
            yield manifest.means.of(videos) if manifest.means else videos
        while rest := file.read(CHUNK):  # behind a record that cannot be framed
            crc = checksums.extended(crc, memoryview(rest))
    checks.require_checksum(shard, f"{crc:08x}", schema)
    if rows != shard.records:
        raise _changed(shard)


def _decoded(piece: Piece, shard: Shard, schema: Schema) -> Videos:
    bad = [problem.record - piece.first for problem in shard.bad]
    keep = ~np.isin(np.arange(len(piece.spans.starts)), bad)
    spans = tfrecord.Spans(*(column[keep] for column in piece.spans))
    videos, problems = records.decode(piece.buffer, spans, schema)
    if problems:
        raise _changed(shard)
    return videos


def _changed(shard: Shard) -> InputError:
    return InputError(f"{shard.path} changed while it was in use. Start again.")

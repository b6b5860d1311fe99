import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.examples import SCHEMA, floats, integers, video
from yt8m_exp import spec
from yt8m_exp.data import shards
from yt8m_exp.data.means import Means
from yt8m_exp.data.pipeline import ordered_batches, shard_batches
from yt8m_exp.data.tfrecords import large, tfrecord
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.spec import InputError

PROJECT = Path(__file__).parents[3]
FRAMES = PROJECT / "sample" / "frame" / "train" / "train0093.tfrecord"
SEGMENTS = PROJECT / "tests" / "golden" / "readers" / "segment.head.tfrecord"
FEATURES = {"rgb": spec.RGB, "audio": spec.AUDIO}


@pytest.fixture
def pieces(monkeypatch, tmp_path):
    """Sets from how many bytes on a shard is large; each time with a cache of facts of its own."""

    def of(size):
        monkeypatch.setattr(large, "PIECE_BYTES", size)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-{size}"))

    return of


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "many.tfrecord"
    tfrecord.write(path, [video(n, labels=integers(*range(n % 4))) for n in range(40)])
    return path


def batches(manifest, size=7):
    whole = [batch for _, batch in shard_batches(manifest, size)]
    return [*whole, *ordered_batches(manifest, size)]


def require_equal(some, others):
    for one, other in zip(some, others, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("size", [1, 300, 1000])
@pytest.mark.parametrize("unread", [True, False])
def test_pieces_of_any_size_give_the_facts_and_batches_of_the_whole_shard(
    shard, pieces, size, unread
):
    whole = shards.scan(str(shard), SCHEMA)
    expected = batches(whole)
    pieces(size)
    parts = shards.scan(str(shard), SCHEMA)
    facts = parts.shards[0].facts
    assert facts == whole.shards[0].facts
    if unread:
        parts.shards[0].facts = None
    require_equal(batches(parts), expected)
    assert parts.shards[0].facts == facts


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        (FRAMES, Schema(FEATURES, spec.CLASSES, "frame")),
        (SEGMENTS, Schema({"rgb": 6, "audio": 3}, 20, "segment")),
    ],
)
def test_frames_and_segments_come_in_pieces(path, schema, pieces):
    whole = shards.scan(str(path), schema)
    expected = batches(whole)
    pieces(path.stat().st_size // 3)
    parts = shards.scan(str(path), schema)
    assert large.is_large(parts.shards[0])
    assert parts.shards[0].facts == whole.shards[0].facts
    require_equal(batches(parts), expected)


def test_means_are_taken_of_each_piece(pieces):
    means = Means("joint", spec.MAX_FRAMES)
    schema = Schema(FEATURES, spec.CLASSES, "frame")
    whole = replace(shards.scan(str(FRAMES), schema), means=means)
    expected = batches(whole)
    pieces(FRAMES.stat().st_size // 3)
    require_equal(batches(replace(shards.scan(str(FRAMES), schema), means=means)), expected)


def broken(data, how):
    spans, _ = tfrecord.index(data, checksums=False)
    starts = spans.starts.tolist()
    if how == "a byte":
        data[starts[25] + 30] ^= 1
    elif how == "a length":
        data[starts[30] - tfrecord.HEADER_BYTES] ^= 1
    else:
        del data[starts[35] + 10 :]
    return data


@pytest.mark.parametrize("how", ["a byte", "a length", "cut off"])
def test_what_is_wrong_with_a_shard_is_told_as_of_the_whole(shard, pieces, how):
    shard.write_bytes(broken(bytearray(shard.read_bytes()), how))
    whole = shards.scan(str(shard), SCHEMA, on_bad_record="skip")
    assert len(whole.shards[0].bad) == 1
    expected = batches(whole)
    pieces(400)
    parts = shards.scan(str(shard), SCHEMA, on_bad_record="skip")
    assert parts.shards[0].facts == whole.shards[0].facts
    require_equal(batches(parts), expected)
    pieces(401)
    with pytest.raises(InputError, match="Fetch the shard again"):
        shards.scan(str(shard), SCHEMA)


def test_a_bad_value_is_told_with_the_number_of_its_record(shard, pieces):
    bad = video(1, mean_rgb=floats([0, float("nan"), 0, 0]))
    tfrecord.write(shard, [*map(video, range(12)), bad, video(13)])
    pieces(300)
    with pytest.raises(InputError, match=r"record 12: expected finite numbers"):
        shards.scan(str(shard), SCHEMA)


def test_a_byte_that_changes_later_is_noticed_at_the_end_of_the_shard(shard, pieces):
    pieces(400)
    manifest = shards.scan(str(shard), SCHEMA)
    found = shard.stat()
    data = bytearray(shard.read_bytes())
    data[-10] ^= 1
    shard.write_bytes(data)
    os.utime(shard, ns=(found.st_atime_ns, found.st_mtime_ns))
    with pytest.raises(InputError, match=r"many\.tfrecord changed since it was checked"):
        batches(manifest)

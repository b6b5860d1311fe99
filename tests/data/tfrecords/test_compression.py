import gzip
import io
import zlib
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.data.examples import FRAME_SCHEMA, SCHEMA, frame_video, text, video
from tests.data.test_shards import found, ids, numbered, written
from yt8m_exp.data import loading, pipeline, shards
from yt8m_exp.data.means import Means
from yt8m_exp.data.tfrecords import compression, tfrecord

PACK = {"GZIP": gzip.compress, "ZLIB": zlib.compress}
SUFFIX = {"GZIP": ".gz", "ZLIB": ".zlib"}


def packed(path, kind, *records):
    """A compressed shard, and beside it the plain one."""
    plain = written(path.with_name("plain"), *records)
    path.write_bytes(PACK[kind](plain.read_bytes()))
    return path


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecord.gz", "a.tfrecord.zlib", "a"])
def test_a_compressed_shard_is_read_whatever_its_name(tmp_path, kind, name):
    path = packed(tmp_path / name, kind)
    manifest = shards.scan(str(path), SCHEMA)
    plain = shards.scan(str(tmp_path / "plain"), SCHEMA)
    assert ids(manifest) == ids(plain) == numbered(0, 1, 2, 3)
    (shard,) = manifest.shards
    assert (shard.compression, shard.bytes) == (kind, path.stat().st_size)
    assert shard.loaded_bytes == (tmp_path / "plain").stat().st_size
    assert manifest.digest != plain.digest  # which names files


@pytest.mark.parametrize("kind", PACK)
def test_tensorflows_own_compressed_shards_are_read(tmp_path, kind):
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord"), kind) as file:
        for number in range(300):
            file.write(video(number))
    manifest = shards.scan(str(tmp_path), SCHEMA)
    assert manifest.shards[0].compression == kind
    assert ids(manifest) == numbered(*range(300))


@pytest.mark.parametrize("kind", PACK)
def test_a_folder_holds_compressed_shards_too(tmp_path, kind):
    path = packed(tmp_path / f"b.tfrecord{SUFFIX[kind]}", kind)
    written(tmp_path / "a.tfrecord", video(9))
    assert ids(shards.scan(str(tmp_path), SCHEMA)) == numbered(9, 0, 1, 2, 3)
    assert found(f"{tmp_path}/b*") == [path]


def test_a_plain_shard_with_a_compressed_name_is_read(tmp_path):
    assert ids(shards.scan(str(written(tmp_path / "a.tfrecord.gz")), SCHEMA)) == numbered(*range(4))


def test_joined_and_filled_up_files_are_one(tmp_path):
    one, two = (gzip.compress(written(tmp_path / "x", video(n)).read_bytes()) for n in (1, 2))
    (tmp_path / "a.tfrecord").write_bytes(one + two + bytes(512))
    assert ids(shards.scan(str(tmp_path / "a.tfrecord"), SCHEMA)) == numbered(1, 2)


@pytest.mark.parametrize("kind", PACK)
def test_batches_of_compressed_shards_are_those_of_plain_ones(tmp_path, kind):
    records = [frame_video(number, frames=3 + number % 5) for number in range(9)]
    path = packed(tmp_path / "a.tfrecord", kind, *records)
    for means in (None, Means("joint", 7)):
        found, expected = (
            list(pipeline.ordered_batches(_with(shards.scan(str(p), FRAME_SCHEMA), means), 4))
            for p in (path, tmp_path / "plain")
        )
        for one, other in zip(found, expected, strict=True):
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])


def _with(manifest, means):
    return replace(manifest, means=means)


def test_groups_are_of_what_shards_take_in_memory(tmp_path):
    for name in "ab":
        packed(tmp_path / f"{name}.tfrecord", "GZIP", *(video(n % 3) for n in range(2000)))
    manifest = shards.scan(str(tmp_path / "*.tfrecord"), SCHEMA)
    assert all(shard.bytes < shard.loaded_bytes / 10 for shard in manifest.shards)
    room = manifest.shards[0].loaded_bytes + 1
    assert len(pipeline.epoch_order(manifest, pipeline.Shuffle(0, room), 0)) == 2
    assert len(pipeline.epoch_order(manifest, pipeline.Shuffle(0, 2 * room), 0)) == 1


@pytest.mark.parametrize("kind", PACK)
def test_what_is_left_of_a_broken_stream_can_be_used(tmp_path, kind, monkeypatch):
    rng = np.random.default_rng(0)
    more = rng.integers(0, 256, (300, 4096), np.uint8)  # no compression finds anything in it
    records = [video(n, more=text(more[n].tobytes())) for n in range(300)]
    path = packed(tmp_path / "a.tfrecord", kind, *records)
    monkeypatch.setattr(compression, "_PIECE", 1 << 14)
    data = path.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 0xFF
    for broken in (data[: len(data) // 2], data[:-3], bytes(flipped)):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=rf"a\.tfrecord, record \d+: .*{kind}|checksum"):
            shards.scan(str(path), SCHEMA)
        manifest = shards.scan(str(path), SCHEMA, on_bad_record="skip")
        left = ids(manifest)
        assert 100 < len(left) <= 300
        assert set(left) <= set(numbered(*range(300)))


def test_a_stream_that_ends_early_is_named_as_such():
    data = gzip.compress(bytes(1000))
    with pytest.raises(compression.Broken, match="GZIP stream ends early"):
        b"".join(compression.pieces(io.BytesIO(data[:-4]), "GZIP"))
    with pytest.raises(compression.Broken, match="GZIP stream is corrupt"):
        b"".join(compression.pieces(io.BytesIO(data[:-8] + bytes(8)), "GZIP"))


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"BZh91AY&SY", "bzip2"), (b"\x28\xb5\x2f\xfd" + bytes(9), "zstd"), (b"PK\3\4" * 9, "zip")],
)
def test_another_compression_is_named(tmp_path, data, name):
    (tmp_path / "a.tfrecord").write_bytes(data)
    with pytest.raises(ValueError, match=f"compressed by {name}, which TFRecord has no option for"):
        shards.scan(str(tmp_path), SCHEMA)


def test_a_shard_that_is_compressed_anew_has_changed(tmp_path):
    path = packed(tmp_path / "a.tfrecord", "GZIP")
    manifest = shards.scan(str(path), SCHEMA)
    path.write_bytes(gzip.compress((tmp_path / "plain").read_bytes(), 1) + bytes(9))
    with pytest.raises(ValueError, match="changed while it was in use"):
        loading.load(manifest.shards, SCHEMA)


def test_a_plain_shard_is_never_taken_for_a_compressed_one():
    """Whatever length its first record has: 0x78, 0x5e is one, and ZLIB's beginning."""
    for size in (0x8B1F, 0x5E78, 0x9C78, 0xDA78, 0x0178):
        length = size.to_bytes(8, "little")
        head = length + tfrecord.masked_crc(length).to_bytes(4, "little") + bytes(4000)
        assert compression.of(head) == ""
        assert compression.of(length + bytes(4000)) == ""

import bz2
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.doctor.shards import examine, examined, frames, listed, problems, released, video
from tests.data.examples import example, floats, integers, lists, rows, text
from yt8m_exp import spec
from yt8m_exp.data import shards
from yt8m_exp.data.doctor.examination import examine_all
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.spec import UserError
from yt8m_exp.stores.cache import Cache

PROJECT = Path(__file__).parents[3]


def test_half_of_the_test_split_is_fake_and_none_of_it_labelled():
    found = examine(released("test/test0z.tfrecord"))
    assert {kind: len(rows) for kind, rows in problems(found).items()} == {
        "fake": 161,
        "unlabelled": 305,
    }
    assert len(found.rows) == 305


@pytest.mark.parametrize(
    ("name", "expected", "usable"),
    [
        ("odd/empty_train3529.tfrecord", {"empty": [0]}, 0),
        ("odd/truncated.tfrecord", {"cut": [42]}, 42),
        ("odd/flipped_bit.tfrecord", {"cut": [84]}, 84),  # the flip is behind its last whole record
        ("odd/malformed_float_frames.tfrecord", {"malformed": [0, 1, 2]}, 0),
        ("odd/self_made_zero_audio.tfrecord", {"zero_audio": [0]}, 1),
        ("odd2/id_not_utf8.tfrecord", {"malformed": [0]}, 1),
        ("odd2/id_two.tfrecord", {"malformed": list(range(8))}, 0),
        ("odd2/lab_bytes.tfrecord", {"malformed": list(range(8))}, 0),
        ("odd2/plain.tfrecord.gz", {}, 8),
    ],
)
def test_odd_shards_of_the_wild_are_told(name, expected, usable):
    found = examine(released(name))
    assert problems(found) == expected
    assert len(found.rows) == usable


def test_real_shards_have_no_problem():
    paths = sorted(released("video/train").iterdir())
    found = list(examine_all(map(listed, paths)))
    assert sum(len(shard.rows) for shard in found) == 28_792
    assert [problems(shard) for shard in found] == [{}] * len(paths)


def test_a_flipped_byte_costs_its_record_alone(tmp_path):
    path = tmp_path / "a.tfrecord"
    tfrecord.write(path, [video(number) for number in range(4)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2 - 100] ^= 1
    path.write_bytes(data)
    found = examine(path)
    assert problems(found) == {"corrupt": [1]}
    assert found.rows.tolist() == [0, 2, 3]


def test_a_corrupt_length_costs_what_follows(tmp_path):
    path = tmp_path / "a.tfrecord"
    tfrecord.write(path, [video(0), video(1)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert problems(examine(path)) == {"corrupt": [1]}


def test_values_that_are_no_numbers_leave_the_video_out(tmp_path):
    odd = floats([0.5] * 5 + [float("nan")] + [0.5] * (spec.AUDIO - 6))
    found = examined(tmp_path / "a", video(0), video(1, mean_audio=odd), video(2))
    assert problems(found) == {"not_finite": [1]}
    assert found.ids.tolist() == [b"v000", b"v002"]
    assert found.features["mean_audio"].count == 2


def test_features_that_were_never_clipped_are_told(tmp_path):
    wide = floats([3.0] + [0.5] * (spec.AUDIO - 1))
    assert problems(examined(tmp_path / "a", video(0), video(1, mean_audio=wide))) == {
        "out_of_range": [1]
    }


@pytest.mark.parametrize("value", [0.0, 4 / 512 - 2])  # no sound, before and after dequantising
def test_sound_of_one_value_is_none(tmp_path, value):
    silent = video(1, mean_audio=floats([value] * spec.AUDIO))
    assert problems(examined(tmp_path / "a", video(0), silent)) == {"zero_audio": [1]}


def test_fakes_are_told_at_frame_level_too(tmp_path):
    grey = rows([bytes([127] * spec.RGB)] * 4)  # which stands for zero
    sound = rows([bytes(range(spec.AUDIO))] * 4)
    fake = example(id=text(b"f"), labels=integers(1)) + lists(rgb=grey, audio=sound)
    assert problems(examined(tmp_path / "a", frames(0, 4), fake)) == {"fake": [1]}


def test_absent_and_empty_labels_are_none(tmp_path):
    found = examined(tmp_path / "a", video(0), video(1, labels=None), video(2, labels=integers()))
    assert problems(found) == {"unlabelled": [1, 2]}


def test_a_shard_of_several_faults_shows_each(tmp_path):
    records = [video(0), b"\xff\xff", video(2, labels=integers(9999)), video(3, id=None)]
    assert problems(examined(tmp_path / "a", *records)) == {"malformed": [1, 2, 3]}


@pytest.mark.parametrize("keep", [0.999, 0.5])
def test_a_stream_that_ends_early_is_cut(tmp_path, keep):
    plain = tmp_path / "a.tfrecord"
    tfrecord.write(plain, [video(number) for number in range(9)])
    packed = gzip.compress(plain.read_bytes())
    path = tmp_path / "a.tfrecord.gz"
    path.write_bytes(packed)
    assert len(examine(path).rows) == 9
    path.write_bytes(packed[: int(keep * len(packed))])
    found = examine(path)
    assert problems(found) == {"cut": [0]}
    assert 0 < len(found.rows) < 9


def test_a_format_that_is_none_of_tfrecords_is_named(tmp_path):
    (tmp_path / "a").write_bytes(bz2.compress(bytes(1000)))
    (finding,) = examine(tmp_path / "a").findings
    assert finding.kind == "malformed"
    assert "compressed by bzip2" in finding.text


def test_anything_can_be_examined(tmp_path):
    rng = np.random.default_rng(0)
    for size in (1, 11, 12, 13, 5000):
        (tmp_path / "a").write_bytes(rng.bytes(size))
        assert len(examine(tmp_path / "a").rows) == 0
        assert examine(tmp_path / "a").findings


@pytest.mark.slow
def test_tensorflow_is_not_loaded(tmp_path):
    tfrecord.write(tmp_path / "a", [video(0, id=text(b"a", b"b")), video(1, labels=text(b"a"))])
    code = (
        "import sys; from yt8m_exp.data import shards;"
        "from yt8m_exp.data.doctor.examination import examine;"
        f"assert examine(*shards.find({str(tmp_path / 'a')!r})).findings;"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0


@pytest.mark.parametrize("cache_bytes", [1 << 30, 0])
def test_distant_shards_are_examined_like_local_ones(sample, bucket, served, tmp_path, cache_bytes):
    folder, url = served
    for shard in sample.shards[:3]:
        data = Path(shard.path).read_bytes()
        data = data if shard != sample.shards[1] else data[:-1]
        (folder / shard.name).write_bytes(data)
        bucket.put(shard.name, data)
    names = [shard.name for shard in sample.shards[:3]]
    cache = Cache(str(tmp_path / "cache"), cache_bytes)
    local = list(examine_all(shards.find([str(folder / name) for name in names])))
    assert [problems(found).keys() for found in local] == [set(), {"cut"}, set()]
    for patterns in ([f"{bucket.uri}/*"], [f"{url}/{name}" for name in names]):
        for here, there in zip(local, examine_all(shards.find(patterns), cache=cache), strict=True):
            assert (here.bytes, here.crc32c) == (there.bytes, there.crc32c)
            assert np.array_equal(here.fingerprints, there.fingerprints)
            assert problems(here) == problems(there)


def test_a_shard_that_does_not_arrive_ends_the_check(sample, bucket, proxy, tmp_path):
    bucket.put("a.tfrecord", Path(sample.shards[0].path))
    (listed,) = shards.find(bucket.uri)
    bucket.delete("a.tfrecord")
    with pytest.raises(UserError, match=r"a\.tfrecord was replaced or deleted"):
        list(examine_all([listed], cache=Cache(str(tmp_path))))

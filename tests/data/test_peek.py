import gzip

import pytest

from tests.data.examples import text
from tests.verbs import PROJECT, SHARD, record, shard
from yt8m_exp import spec
from yt8m_exp.data import peek, shards
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.spec import InputError


def looked_at(path) -> None:
    peek.require_labels(shards.find(str(path)))


def test_a_shard_of_the_test_split_is_told_by_its_first_record(tmp_path):
    looked_at(PROJECT / SHARD)
    with pytest.raises(ValueError, match="its first record has no `labels`"):
        looked_at(shard(tmp_path / "test.tfrecord", record("a", labels=None)))


def test_features_that_are_not_there_are_named():
    frames = list(shards.find(str(PROJECT / "sample/frame/train")))
    peek.require_features(frames, {"rgb"}, taker="moe", remedy="")
    with pytest.raises(
        ValueError, match=r"takes mean_rgb, but the record has audio, rgb\. Do this\."
    ):
        peek.require_features(frames, {"mean_rgb"}, taker="moe", remedy="Do this.")
    videos = shards.find(str(PROJECT / SHARD))
    with pytest.raises(ValueError, match="lstm takes audio, rgb, but the record has mean_audio"):
        peek.require_features(videos, {"rgb", "audio", "mean_rgb"}, taker="lstm", remedy="")


@pytest.mark.parametrize("content", [b"", b"no shard", gzip.compress(b"packed", mtime=0)])
def test_what_holds_no_record_is_left_to_the_check_of_all_records(tmp_path, content):
    (tmp_path / "odd.tfrecord").write_bytes(content)
    looked_at(tmp_path / "odd.tfrecord")


def test_frames_and_segments_have_labels():
    looked_at(PROJECT / "sample/frame/train")


def test_shards_of_2018_are_not_read_for_the_labels_of_2017(tmp_path):
    of_2018 = list(shards.find(str(PROJECT / SHARD)))
    peek.require_release(of_2018, spec.CLASSES)
    with pytest.raises(InputError, match="must be of the 4,716 classes of 2017, but its first"):
        peek.require_release(of_2018, spec.CLASSES_2017)
    mine = shard(tmp_path / "mine.tfrecord", record("my clip"))
    peek.require_release(shards.find(str(mine)), spec.CLASSES_2017)
    of_2017 = shard(tmp_path / "a.tfrecord", record("a", id=None, video_id=text(b"a")))
    peek.require_release(shards.find(str(of_2017)), spec.CLASSES_2017)
    predicted = Schema({"mean_rgb": spec.RGB}, spec.CLASSES_2017)
    assert shards.scan(str(PROJECT / SHARD), predicted).records
    with pytest.raises(InputError, match="of the 4,716 classes of 2017"):
        shards.scan(str(PROJECT / SHARD), predicted, needs_labels=True)

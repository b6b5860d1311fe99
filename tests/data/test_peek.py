import gzip

import pytest

from tests.verbs import PROJECT, SHARD, record, shard
from yt8m_exp.data import peek, shards


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

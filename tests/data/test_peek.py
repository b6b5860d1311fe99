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


@pytest.mark.parametrize("content", [b"", b"no shard", gzip.compress(b"packed", mtime=0)])
def test_what_holds_no_record_is_left_to_the_check_of_all_records(tmp_path, content):
    (tmp_path / "odd.tfrecord").write_bytes(content)
    looked_at(tmp_path / "odd.tfrecord")


def test_frames_and_segments_have_labels():
    looked_at(PROJECT / "sample/frame/train")

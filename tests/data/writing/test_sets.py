from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.data.writing import sets

VIDEOS = [f"video {number}" for number in range(2000)]


def contents(paths):
    shards = []
    for path in paths:
        data = path.read_bytes()
        spans, problems = tfrecord.index(data, checksums=True)
        assert not problems
        shards.append([data[a : a + n].decode() for a, n in zip(*spans, strict=True)])
    return shards


def write(folder, videos, **options):
    options = {"split": "train", "shard_videos": 300, "seed": 0} | options
    return sets.write(folder, videos, str.encode, **options)


def test_the_same_videos_in_any_order_make_the_same_shards(tmp_path):
    first = contents(write(tmp_path / "a", VIDEOS))
    assert first == contents(write(tmp_path / "b", reversed(VIDEOS)))
    assert [len(shard) for shard in first] == [286, 286, 286, 286, 286, 285, 285]
    assert sorted(video for shard in first for video in shard) == sorted(VIDEOS)
    assert first[0] != sorted(first[0])
    assert first != contents(write(tmp_path / "c", VIDEOS, seed=1))


def test_a_shard_that_is_no_longer_needed_goes(tmp_path):
    write(tmp_path / "a", VIDEOS)
    (path,) = write(tmp_path / "a", VIDEOS[:3])
    assert list((tmp_path / "a").iterdir()) == [path]
    assert path.name == "train0000.tfrecord"
    assert write(tmp_path / "a", []) == []


def test_a_video_stays_in_its_split():
    before = {video: sets.split_of(video, 0.2) for video in VIDEOS}
    share = sum(split == "validate" for split in before.values()) / len(VIDEOS)
    assert abs(share - 0.2) < 0.03  # three standard errors
    more = {video: sets.split_of(video, 0.3) for video in VIDEOS}
    assert all(more[video] == "validate" for video in VIDEOS if before[video] == "validate")
    assert {sets.split_of(video, 0) for video in VIDEOS} == {"train"}
    assert {sets.split_of(video, 1) for video in VIDEOS} == {"validate"}

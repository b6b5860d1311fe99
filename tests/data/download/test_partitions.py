import json
from pathlib import Path

import pytest

from yt8m_exp.data.download import partitions
from yt8m_exp.spec import InputError, UserError

HALF = Path(__file__).parents[2] / "golden" / "download" / "2_video_train_download_plan.json"
WHOLE = [f"train{index}.tfrecord" for index in partitions.INDEX]
"""The names of all shards of the training split on the server."""
PART_1_OF_1000 = [f"train{index}.tfrecord" for index in ("I1", "dw", "eA", "ha", "jw")]
"""By md5sum and bc."""


def test_an_old_plan_lists_what_is_left():
    plan = partitions.read_plan(HALF.read_bytes())
    assert len(plan) == 3702
    assert plan["trainbI.tfrecord"] == "3c8a82caabb3b63c3b0fa92157363453"
    assert plan.keys() < set(WHOLE)
    assert partitions.plan_name("2/video/train") == HALF.name


def test_shards_are_numbered_in_the_order_of_the_servers_characters():
    assert len(WHOLE) == 3844
    local = [partitions.local_name(name, "2/video/train") for name in WHOLE]
    assert local == [f"train{number:04}.tfrecord" for number in range(3844)]
    assert partitions.local_name("testaZ.tfrecord", "3/frame/test") == "test0051.tfrecord"


def test_names_of_2017_stay():
    for name in ("train-1.tfrecord", "train_Q.tfrecord", "trainab.tfrecord"):
        assert partitions.local_name(name, "1/video_level/train") == name


@pytest.mark.parametrize(
    "name",
    ["../train00.tfrecord", "a/trainbb.tfrecord", "train-1.tfrecord", "train.txt", ".tfrecord"],
)
def test_what_is_no_name_of_a_shard_is_refused(name):
    with pytest.raises(UserError, match="no name of a shard"):
        partitions.local_name(name, "2/video/train")


def test_a_name_of_2017_stays_in_its_folder():
    with pytest.raises(UserError, match="no name of a shard"):
        partitions.local_name("../trainaa.tfrecord", "1/video_level/train")


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_parts_are_the_whole_and_share_no_file(n):
    parts = [partitions.share(WHOLE, m, n) for m in range(1, n + 1)]
    assert sum(map(len, parts)) == 3844
    assert set().union(*parts) == set(WHOLE)


def test_a_part_is_that_of_the_datasets_script():
    part = sorted(partitions.share(WHOLE, 1, 1000))
    assert part == PART_1_OF_1000
    left = json.loads(HALF.read_text())["files"]
    assert partitions.share(left, 1, 1000) == set(part) & left.keys()


@pytest.mark.parametrize("text", ["0,5", "6,5", "1", "1,0", "a,b", "-1,5", "1,2,3", ""])
def test_a_part_that_cannot_be_is_refused(text):
    with pytest.raises(InputError, match="`1 <= m <= n` must hold in shard=m,n"):
        partitions.parse_share(text)


def test_a_part_is_two_numbers():
    assert partitions.parse_share("1,100") == (1, 100)
    assert partitions.parse_share(" 3, 3") == (3, 3)


@pytest.mark.parametrize(
    "text", ["<html>", "[]", '{"files": 1}', '{"files": {"a": 1}}', '{"files": {"a": "z"}}', "{}"]
)
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(UserError, match="It is no download plan"):
        partitions.read_plan(text)


def test_a_partition_that_is_not_there_is_refused():
    partitions.require("3/frame/test")
    with pytest.raises(InputError, match=r"one of .*2/video/train.*got partition='2/video/trian'"):
        partitions.require("2/video/trian")


def test_addresses_are_those_of_the_protocol():
    us, pages = "http://us.data.yt8m.org", "https://research.google.com/youtube8m/csv"
    assert (
        partitions.plan_url("http://data.yt8m.org", "2/frame/train")
        == "http://data.yt8m.org/2/download_plans/frame_train.json"
    )
    (file,) = partitions.shards({"trainbI.tfrecord": "0" * 32}, "2/video/train", us)
    assert file == partitions.File(
        "train0096.tfrecord", f"{us}/2/video/train/trainbI.tfrecord", "0" * 32
    )
    labels = partitions.tables("2/ground_truth_labels", us, pages)
    assert [file.url for file in labels] == [
        f"{us}/2/ground_truth_labels/{split}_labels.csv" for split in ("train", "validate")
    ]
    (segments,) = partitions.tables("3/vocabulary", us, pages)
    assert segments.url == f"{pages}/segments/vocabulary.csv"

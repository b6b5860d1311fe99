import gzip
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.examples import SCHEMA, field, floats, integers, varint, video
from yt8m_exp.data import loading, shards
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.spec import MissingInputError

SAMPLE = Path(__file__).parents[2] / "sample" / "video" / "train"


def written(path, *records):
    tfrecord.write(path, records or [video(number) for number in range(4)])
    return path


def ids(manifest):
    return loading.load(manifest.shards, manifest.schema).ids.tolist()


def found(patterns):
    return [Path(one.uri) for one in shards.find(patterns)]


def numbered(*numbers):
    return [f"v{number:03d}".encode() for number in numbers]


def test_a_folder_is_its_tfrecords(tmp_path):
    paths = [written(tmp_path / name) for name in ("b.tfrecord", "a.tfrecord")]
    (tmp_path / "notes.txt").write_text("x")
    assert found(str(tmp_path)) == sorted(paths)


def test_shards_come_in_the_order_of_the_patterns_each_once(tmp_path):
    a, b, c = (written(tmp_path / f"{name}.tfrecord") for name in "abc")
    assert found([str(b), str(tmp_path / "[abc].tfrecord"), str(tmp_path)]) == [b, a, c]


def test_patterns_reach_into_folders(tmp_path):
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "folder.tfrecord").mkdir()
    path = written(tmp_path / "x" / "y" / "a.tfrecord")
    assert found(f"{tmp_path}/**/*.tfrecord") == [path]


def test_a_pattern_without_a_match_is_named_with_the_remedy(tmp_path):
    a = written(tmp_path / "a.tfrecord")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"No shard in the folder '.*empty' is named \*\.t"):
        shards.find(str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match=r"No shard matches '.*z\*'.*Set data\.train"):
        shards.find([str(a), str(tmp_path / "z*")], shards.Remedy("data.train"))


def test_no_pattern_at_all_is_refused():
    with pytest.raises(FileNotFoundError, match="At least one shard pattern"):
        shards.find([])


def test_the_manifest_says_what_the_shards_hold(sample):
    videos = loading.load(sample.shards, sample.schema)
    assert sample.records == len(videos.ids) == sum(shard.records for shard in sample.shards)
    assert len(set(videos.ids.tolist())) == sample.records
    counts = np.bincount(videos.labels, minlength=sample.schema.classes)
    assert sample.class_counts().tolist() == counts.tolist()
    sample.require_labels()


def test_shards_without_a_single_label_are_told_apart(tmp_path):
    written(tmp_path / "a.tfrecord", video(1, labels=integers()), video(2, labels=integers()))
    manifest = shards.scan(str(tmp_path), SCHEMA)
    with pytest.raises(ValueError, match=r"none of the 2 videos in .* has one"):
        manifest.require_positives()
    written(tmp_path / "b.tfrecord", video(3, labels=integers(7)))
    shards.scan(str(tmp_path), SCHEMA).require_positives()


def test_a_repeated_label_counts_its_video_once(tmp_path):
    written(tmp_path / "a.tfrecord", video(labels=integers(7, 7, 3)), video(labels=integers(7)))
    counts = shards.scan(str(tmp_path), SCHEMA).class_counts()
    assert {label: counts[label] for label in np.flatnonzero(counts)} == {3: 1, 7: 2}


def test_the_manifest_is_plain_data(tmp_path):
    written(tmp_path / "a.tfrecord", video(1), video(2, labels=integers(99)))
    manifest = shards.scan(str(tmp_path), SCHEMA, on_bad_record="skip")
    rows = json.loads(json.dumps(manifest.as_dict()))
    assert rows["records"] == 1
    assert rows["shards"][0]["name"] == "a.tfrecord"
    assert rows["shards"][0]["bytes"] == (tmp_path / "a.tfrecord").stat().st_size
    (skipped,) = rows["shards"][0]["skipped"]
    assert skipped["record"] == 1
    assert "99" in skipped["text"]


def test_the_digest_knows_contents_and_names_but_no_folders(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        for name in "xy":
            written(tmp_path / folder / f"{name}.tfrecord", video(ord(name)))

    def digest(folder):
        return shards.scan([f"{tmp_path}/{folder}/{name}.tfrecord" for name in "yx"], SCHEMA).digest

    assert digest("a") == shards.scan(str(tmp_path / "b"), SCHEMA).digest
    written(tmp_path / "b" / "x.tfrecord", video(1))
    assert digest("a") != digest("b")
    shutil.copy(tmp_path / "a" / "x.tfrecord", tmp_path / "b" / "x.tfrecord")
    assert digest("a") == digest("b")
    (tmp_path / "b" / "z.tfrecord").write_bytes((tmp_path / "b" / "x.tfrecord").read_bytes())
    assert shards.scan(f"{tmp_path}/b/[yz].tfrecord", SCHEMA).digest != digest("a")


def test_a_bad_record_stops_the_scan_with_its_place_and_value(tmp_path):
    written(tmp_path / "a.tfrecord", video(0), video(1, labels=integers(3, 20)), video(2, id=None))
    remedy = shards.Remedy("data.train", "data.on_bad_record=skip")
    with pytest.raises(ValueError, match=r"a\.tfrecord, record 1: .* label 20") as refused:
        shards.scan(str(tmp_path), SCHEMA, remedy=remedy)
    assert "data.on_bad_record=skip" in str(refused.value)
    assert "1 more bad record" in str(refused.value)


@pytest.mark.parametrize(("value", "word"), [(float("nan"), "nan"), (float("-inf"), "-inf")])
def test_a_value_that_is_no_number_is_named(tmp_path, value, word):
    written(tmp_path / "a.tfrecord", video(0), video(1, mean_rgb=floats([1, 2, value, 4])))
    with pytest.raises(ValueError, match=rf"record 1: .*`mean_rgb`\[2\] is {word}"):
        shards.scan(str(tmp_path), SCHEMA)


def test_skipping_leaves_out_the_bad_records_only_and_counts_them(tmp_path):
    records = [video(number) for number in range(8)]
    records[1] = video(1, mean_audio=floats([float("nan"), 0]))
    records[4] = video(4, mean_rgb=floats([1]))
    records[5] = b"no protobuf"
    records[6] = video(6, labels=integers(-1))
    written(tmp_path / "a.tfrecord", *records)
    written(tmp_path / "b.tfrecord", video(9))
    manifest = shards.scan(str(tmp_path), SCHEMA, on_bad_record="skip")
    assert (manifest.records, manifest.skipped) == (5, 4)
    assert [problem.record for problem in manifest.shards[0].bad] == [1, 4, 5, 6]
    assert ids(manifest) == numbered(0, 2, 3, 7, 9)
    assert manifest.class_counts().sum() == 5


def test_a_frame_level_shard_is_refused_with_a_hint(tmp_path):
    frames = field(1, field(1, b"rgb") + field(2, field(1, bytes(8))))
    written(tmp_path / "a.tfrecord", field(1, b"") + field(2, frames))
    with pytest.raises(ValueError, match="Is this a video-level shard"):
        shards.scan(str(tmp_path), SCHEMA)


def test_an_empty_shard_is_a_problem_of_its_own(tmp_path):
    (tmp_path / "a.tfrecord").touch()
    with pytest.raises(ValueError, match=r"a\.tfrecord, record 0: the file is empty"):
        shards.scan(str(tmp_path), SCHEMA)
    with pytest.raises(ValueError, match="No usable record is left"):
        shards.scan(str(tmp_path), SCHEMA, on_bad_record="skip")
    written(tmp_path / "b.tfrecord", video(3))
    assert ids(shards.scan(str(tmp_path), SCHEMA, on_bad_record="skip")) == numbered(3)


def test_an_unknown_way_with_bad_records_is_refused(tmp_path):
    with pytest.raises(ValueError, match="stop or skip, but got 'ignore'"):
        shards.scan(str(written(tmp_path / "a.tfrecord")), SCHEMA, on_bad_record="ignore")


def test_records_without_labels_can_be_scanned_but_not_required(tmp_path):
    written(tmp_path / "a.tfrecord", video(0), video(1, labels=None), video(2, labels=integers()))
    manifest = shards.scan(str(tmp_path), SCHEMA)
    assert manifest.records == 3
    with pytest.raises(ValueError, match=r"a\.tfrecord: 1 of 3 records have no `labels`"):
        manifest.require_labels()


def test_what_is_left_of_a_cut_shard_can_be_used(tmp_path):
    data = written(tmp_path / "whole").read_bytes()
    for size in [*range(1, len(data), 7), len(data) // 4, len(data) // 2]:
        path = tmp_path / f"cut{size}.tfrecord"
        path.write_bytes(data[:size])
        whole = size * 4 // len(data)
        if size * 4 % len(data) == 0:  # between two records nothing is amiss
            assert ids(shards.scan(str(path), SCHEMA)) == numbered(*range(whole))
            continue
        with pytest.raises(ValueError, match=rf"record {whole}: the file ends in the middle"):
            shards.scan(str(path), SCHEMA)
        if whole:
            manifest = shards.scan(str(path), SCHEMA, on_bad_record="skip")
            assert ids(manifest) == numbered(*range(whole))


def test_what_is_left_of_a_flipped_shard_can_be_used(tmp_path):
    data = written(tmp_path / "whole").read_bytes()
    for place in range(len(data) // 4, len(data), 4):
        path = tmp_path / f"flipped{place}.tfrecord"
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x04]) + data[place + 1 :])
        hit, offset = divmod(place * 4, len(data))
        with pytest.raises(ValueError, match=rf"record {hit}: .*checksum"):
            shards.scan(str(path), SCHEMA)
        left = range(hit) if offset < 4 * 12 else {0, 1, 2, 3} - {hit}
        assert ids(shards.scan(str(path), SCHEMA, on_bad_record="skip")) == numbered(*left)


def test_a_real_shard_cut_or_flipped_leaves_its_other_records_as_they_were(tmp_path, sample):
    data = Path(sample.shards[0].path).read_bytes()
    whole = ids(Manifest((), sample.shards[:1], sample.schema))
    rng = np.random.default_rng(0)
    for place in rng.integers(len(data) // 10, len(data), 6).tolist():
        cut, flipped = tmp_path / f"{place}.tfrecord", tmp_path / f"{place}flipped.tfrecord"
        cut.write_bytes(data[:place])
        left = ids(shards.scan(str(cut), sample.schema, on_bad_record="skip"))
        assert left == whole[: len(left)]
        flipped.write_bytes(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        rest = ids(shards.scan(str(flipped), sample.schema, on_bad_record="skip"))
        assert rest == whole[: len(left)] + whole[len(left) + 1 :]


def test_a_second_scan_does_not_read_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = written(tmp_path / "a.tfrecord")
    first = shards.scan(str(path), SCHEMA)
    (entry,) = [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    entry.write_text(json.dumps(json.loads(entry.read_text()) | {"labelled": 3}))
    assert (first.shards[0].labelled, shards.scan(str(path), SCHEMA).shards[0].labelled) == (4, 3)


def other_of_the_same_size_and_time(path):
    time = path.stat().st_mtime_ns
    written(path, video(2))
    os.utime(path, ns=(time, time))


@pytest.mark.parametrize("way", ["in its place", "by another file"])
def test_other_bytes_of_the_same_size_and_time_are_scanned_again(tmp_path, way):
    path = written(tmp_path / "a.tfrecord", video(1))
    first = shards.scan(str(path), SCHEMA)
    if way == "by another file":
        shutil.copy2(path, tmp_path / "other")
        (tmp_path / "other").replace(path)
    other_of_the_same_size_and_time(path)
    again = shards.scan(str(path), SCHEMA)
    assert again.digest != first.digest
    assert ids(again) == numbered(2)


@pytest.mark.parametrize("compressed", [False, True])
def test_other_bytes_of_the_same_size_and_time_are_not_used_as_those_of_before(
    tmp_path, compressed
):
    path = written(tmp_path / "a.tfrecord", video(1))
    other = written(tmp_path / "other", video(2)).read_bytes()
    if compressed:
        path.write_bytes(gzip.compress(path.read_bytes(), 0, mtime=0))
        other = gzip.compress(other, 0, mtime=0)
    manifest = shards.scan(str(path), SCHEMA)
    time = path.stat().st_mtime_ns
    path.write_bytes(other)
    os.utime(path, ns=(time, time))
    with pytest.raises(ValueError, match="changed since it was checked: its checksum is another"):
        loading.load(manifest.shards, SCHEMA)


def test_a_link_to_a_shard_or_other_rights_change_nothing(tmp_path):
    path = written(tmp_path / "a.tfrecord")
    manifest = shards.scan(str(path), SCHEMA)
    (tmp_path / "link").hardlink_to(path)
    path.chmod(0o600)
    assert ids(manifest) == numbered(0, 1, 2, 3)


def test_copies_of_a_shard_are_told(tmp_path, said):
    path = written(tmp_path / "a.tfrecord")
    for name in ("b", "c"):
        shutil.copy(path, tmp_path / f"{name}.tfrecord")
    shards.scan(str(tmp_path), SCHEMA)
    assert said == [
        "2 shards are copies of others, so that their videos count again, as "
        f"{tmp_path}/b.tfrecord of {path}. Name each shard once."
    ]


def test_a_changed_file_is_scanned_again(tmp_path):
    path = written(tmp_path / "a.tfrecord", video(1))
    first = shards.scan(str(path), SCHEMA)
    time = path.stat().st_mtime_ns
    written(path, video(2))  # of the same size
    os.utime(path, ns=(time + 1, time + 1))
    assert shards.scan(str(path), SCHEMA).digest != first.digest


def test_bad_records_are_remembered_too(tmp_path):
    written(tmp_path / "a.tfrecord", video(0), video(1, labels=integers(20)))
    first = shards.scan(str(tmp_path), SCHEMA, on_bad_record="skip")
    assert shards.scan(str(tmp_path), SCHEMA, on_bad_record="skip").shards == first.shards
    with pytest.raises(ValueError, match="record 1"):
        shards.scan(str(tmp_path), SCHEMA)


def test_another_schema_is_another_scan(tmp_path):
    written(tmp_path / "a.tfrecord", video(7))
    assert shards.scan(str(tmp_path), SCHEMA).records == 1
    with pytest.raises(ValueError, match=r"\[0, 5\), but got label 7"):
        shards.scan(str(tmp_path), shards.Schema(SCHEMA.features, 5))


def test_a_cache_that_is_damaged_or_cannot_be_written_changes_nothing(tmp_path, monkeypatch):
    path = written(tmp_path / "a.tfrecord")
    first = shards.scan(str(path), SCHEMA)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "damaged"))
    shards.scan(str(path), SCHEMA)
    (entry,) = [file for file in (tmp_path / "damaged").rglob("*") if file.is_file()]
    for text in ("", "{}", "[]", "null", entry.read_text()[:-9]):
        entry.write_text(text)
        assert shards.scan(str(path), SCHEMA).shards == first.shards
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert shards.scan(str(path), SCHEMA).shards == first.shards


@pytest.mark.parametrize("odd", ["none", "bad", "empty", "compressed"])
def test_small_shards_that_are_checked_together_are_known_as_one_by_one(tmp_path, monkeypatch, odd):
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(5):
        records = [video(10 * number + row) for row in range(number + 1)]
        tfrecord.write(folder / f"{number}.tfrecord", records)
    third = folder / "2.tfrecord"
    if odd == "bad":
        tfrecord.write(third, [video(20), b"no record", video(21)])
    if odd == "empty":
        third.write_bytes(b"")
    if odd == "compressed":
        third.write_bytes(gzip.compress(third.read_bytes()))
    found = []
    for size in (shards.GROUP_BYTES, 1):
        monkeypatch.setattr(shards, "GROUP_BYTES", size)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / str(size)))
        found.append(shards.scan(str(folder), SCHEMA, on_bad_record="skip").shards)
        found.append(shards.scan(str(folder), SCHEMA, on_bad_record="skip").shards)
    assert found == [found[0]] * 4
    assert found[0][4].records == 5


def test_a_shard_that_was_deleted_since_its_scan_is_named(tmp_path):
    path = written(tmp_path / "a.tfrecord")
    manifest = shards.scan(str(path), SCHEMA)
    path.unlink()
    with pytest.raises(MissingInputError, match=r"a\.tfrecord was deleted while it was in use"):
        loading.load(manifest.shards, SCHEMA)


@pytest.mark.parametrize("change", [b"", b"x" * 400])
def test_a_shard_that_changed_since_its_scan_is_refused(tmp_path, change):
    path = written(tmp_path / "a.tfrecord")
    manifest = shards.scan(str(path), SCHEMA)
    path.write_bytes(path.read_bytes()[: -len(change) or -1] + change)
    with pytest.raises(ValueError, match="changed while it was in use"):
        loading.load(manifest.shards, SCHEMA)


def test_irregular_shards_are_loaded_among_others(tmp_path):
    odd = video(5) + varint(9 << 3) + varint(1)
    written(tmp_path / "a.tfrecord", odd, video(6))
    written(tmp_path / "b.tfrecord", video(7), odd)
    videos = loading.load(shards.scan(str(tmp_path), SCHEMA).shards, SCHEMA)
    assert videos.ids.tolist() == numbered(5, 6, 7, 5)
    assert videos.labels.tolist() == [5, 6, 7, 5]
    assert videos.features["mean_audio"][:, 0].tolist() == [-5, -6, -7, -5]


def test_a_name_that_is_not_utf8_has_a_digest(tmp_path):
    path = written(tmp_path / os.fsdecode(b"caf\xe9.tfrecord"))
    assert len(shards.scan(str(path), SCHEMA).digest) == 32

from pathlib import Path

import numpy as np

from tests.data.doctor.shards import examine, examined, frames, released, values, video
from tests.data.examples import floats, integers, text
from tests.made_segments import frame_records, write
from yt8m_exp import spec
from yt8m_exp.data.doctor import survey
from yt8m_exp.data.doctor.survey import leaks, repeats


def surveyed(folder, **shards):
    """Surveys shards, given as lists of records by name."""
    return survey.survey(examined(folder / name, *records) for name, records in shards.items())


def told(findings):
    """What is found: kind, shard, records."""
    return [(f.kind, f.path.rpartition("/")[2], f.records.tolist()) for f in findings]


def alias(number, name):
    return video(number, id=text(name))


def test_an_id_that_occurs_again_is_found_in_one_shard_or_two(tmp_path):
    found = surveyed(tmp_path, a=[video(0), video(1), video(0)], b=[video(2), video(1)])
    assert told(repeats(found)) == [("repeated_id", "a", [2]), ("repeated_id", "b", [1])]
    (_, second) = repeats(found)
    assert second.text == f"record 1: 'v001' is also record 1 of {tmp_path}/a."


def test_a_content_that_occurs_again_is_found_under_another_id(tmp_path):
    found = surveyed(tmp_path, a=[video(0), video(1)], b=[video(2), alias(1, b"new")])
    assert told(repeats(found)) == [("repeated_content", "b", [1])]
    (finding,) = repeats(found)
    assert finding.text == f"record 1: 'new' is also record 1 of {tmp_path}/a, 'v001'."


def test_videos_without_a_twin_are_none(tmp_path):
    found = surveyed(tmp_path, a=[*map(video, range(9))], b=[*map(video, range(9, 20))])
    assert told(repeats(found)) == []


def test_leaks_are_what_two_sets_share(tmp_path):
    train = surveyed(tmp_path, a=[video(0), video(1)], b=[video(2)])
    validate = surveyed(tmp_path, c=[video(3), video(2)], d=[alias(0, b"new"), video(4)])
    assert told(leaks(train, validate)) == [("leaked_id", "c", [1]), ("leaked_content", "d", [0])]
    assert told(leaks(validate, train)) == [("leaked_id", "b", [0]), ("leaked_content", "a", [0])]


def test_a_video_leaks_by_its_frames_too(tmp_path):
    train = surveyed(tmp_path, a=[frames(0), frames(1)])
    validate = surveyed(tmp_path, b=[frames(1, id=text(b"new"))])
    assert told(leaks(train, validate)) == [("leaked_content", "b", [0])]


def test_nothing_leaks_from_or_to_a_set_without_videos(tmp_path):
    (tmp_path / "empty").touch()
    empty = survey.survey([examine(tmp_path / "empty")])
    some = surveyed(tmp_path, a=[video(0)])
    assert told(leaks(empty, some)) == told(leaks(some, empty)) == told(repeats(empty)) == []


def test_the_same_shard_in_both_sets_leaks_whole():
    found = survey.survey([examine(released("test/test0z.tfrecord"))])
    (leak,) = leaks(found, found)
    assert (leak.kind, leak.count) == ("leaked_id", 305)
    assert told(repeats(found)) == []


def test_a_survey_counts_labels_frames_and_classes(tmp_path):
    found = surveyed(
        tmp_path,
        a=[frames(0, 3), frames(1, 5)],
        b=[frames(2, 5, labels=integers(9, 9, 8)), frames(3, 1)],
    )
    assert found.videos == 4
    assert np.flatnonzero(found.frames_per_video).tolist() == [1, 3, 5]
    assert found.labels_per_video.tolist() == [0, 3, 0, 1]
    counts = found.class_counts[spec.CLASSES]
    assert {n: counts[n] for n in np.flatnonzero(counts)} == {0: 1, 1: 1, 3: 1, 8: 1, 9: 1}


def test_of_segments_the_rated_ones_have_labels_and_the_videos_features(tmp_path):
    name, other = list(frame_records())[:2]
    ratings = {name: [(0, 3, True), (0, 4, False), (5, 3, True)], other: [(10, 7, True)]}
    found = survey.survey([examine(write(tmp_path / "a", ratings))])
    assert found.levels == {"segment": 1}
    assert not found.labels_per_video.size
    assert found.videos == 3
    assert told(found.findings) == [("unlabelled", "a", [2])]
    counts = found.class_counts[spec.CLASSES]
    assert {n: counts[n] for n in np.flatnonzero(counts)} == {3: 2, 7: 1}


def test_the_digest_is_that_of_a_manifest(sample):
    found = survey.survey(examine(Path(shard.path)) for shard in sample.shards)
    assert found.manifest(())["digest"] == sample.digest
    assert found.videos == sample.records
    assert found.class_counts[spec.CLASSES].tolist() == sample.class_counts().tolist()


def test_counts_have_every_kind(tmp_path):
    wide = video(1, mean_rgb=floats([9.0, *values(1, spec.RGB)[1:].tolist()]))
    found = surveyed(tmp_path, a=[video(0), wide])
    counts = survey.counts(found.findings)
    assert counts["out_of_range"] == sum(counts.values()) == 1
    assert counts["fake"] == 0

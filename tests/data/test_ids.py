import tracemalloc

import pytest

from tests.data.examples import (
    FRAME_SCHEMA,
    SCHEMA,
    decoded,
    entry,
    example,
    field,
    floats,
    frame_video,
    integers,
    text,
    video,
)
from tests.data.test_shards import ids as loaded
from tests.data.test_shards import written
from yt8m_exp.data import ids, shards
from yt8m_exp.data.tfrecords import large

NO_ID = "expected one of the keys id, video_id to hold one string, but "
NONE = field(1, b"")  # a list of strings without one
GOT = {
    "two strings": (text(b"a", b"b"), "`id` holds 2 strings."),
    "no string": (NONE, "`id` holds 0 strings."),
    "an integer": (integers(7), "`id` holds 1 integer."),
    "integers": (integers(7, 8), "`id` holds 2 integers."),
    "a float": (floats([1.0]), "`id` holds 1 float."),
    "no kind": (b"", "`id` holds 0 values."),
    "none": (None, "it has none of them."),
}


@pytest.mark.parametrize("case", GOT)
def test_what_an_id_holds_instead_of_a_string_is_named(case):
    feature, got = GOT[case]
    videos, [problem] = decoded([video(1), video(2, id=feature), video(3)])
    assert (problem.record, problem.text) == (1, NO_ID + got)
    assert videos.ids.tolist() == [b"v001", b"v003"]


@pytest.mark.parametrize("case", [case for case in GOT if case != "none"])
def test_it_is_named_at_frame_level_too(case):
    feature, got = GOT[case]
    _, [problem] = decoded([frame_video(1), frame_video(2, id=feature)], FRAME_SCHEMA)
    assert (problem.record, problem.text) == (1, NO_ID + got)


def test_the_old_key_is_named_where_it_is_the_one():
    _, [problem] = decoded([video(1, id=None, video_id=text(b"a", b"b"))])
    assert problem.text == NO_ID + "`video_id` holds 2 strings."


def test_a_good_old_key_stands_in_for_a_new_one_of_another_type():
    videos, problems = decoded([video(1, id=integers(1), video_id=text(b"old"))])
    assert (videos.ids.tolist(), problems) == ([b"old"], [])


def test_two_strings_are_no_id_even_beside_a_good_old_key():
    _, [problem] = decoded([video(1, id=text(b"a", b"b"), video_id=text(b"old"))])
    assert problem.text == NO_ID + "`id` holds 2 strings."


def test_an_id_of_no_bytes_is_one():
    videos, problems = decoded([video(1, id=text(b""))])
    assert (videos.ids.tolist(), problems) == ([b""], [])


@pytest.mark.parametrize("values", [[b"18"], [b"18", b"43"]])
def test_labels_that_are_strings_are_named_as_such(values):
    for make, schema in ((video, SCHEMA), (frame_video, FRAME_SCHEMA)):
        _, [problem] = decoded([make(1), make(2, labels=text(*values))], schema)
        assert problem.text == "expected `labels` to be a list of integers, but got strings."


def test_features_that_are_strings_are_named_as_of_another_type():
    _, [problem] = decoded([video(1, mean_rgb=text(b"a", b"b"))])
    assert "`mean_rgb` of 4 floats, but got another type" in problem.text


def test_an_id_that_is_not_utf8_is_bad_by_file_and_record(tmp_path):
    for name, make, schema in (("v", video, SCHEMA), ("f", frame_video, FRAME_SCHEMA)):
        path = written(tmp_path / name, make(1), make(2, id=text(b"\xff\xfeac")), make(3))
        where = rf"{name}, record 1: expected an id in UTF-8, but got b'\\xff\\xfeac'"
        with pytest.raises(ValueError, match=where):
            shards.scan(str(path), schema)
        manifest = shards.scan(str(path), schema, on_bad_record="skip")
        assert (manifest.records, manifest.skipped) == (2, 1)
        assert loaded(manifest) == [b"v001", b"v003"]


def test_ids_that_occur_again_are_counted_with_examples(tmp_path):
    a = written(tmp_path / "a", video(1), video(2), video(1))
    b = written(tmp_path / "b", video(3), video(2, labels=integers(9)), video(1))
    manifest = shards.scan([str(a), str(b)], SCHEMA)
    assert manifest.repeats == [
        ids.Repeat(0, 2, 0, 0),
        ids.Repeat(1, 1, 0, 1),
        ids.Repeat(1, 2, 0, 0),
    ]
    assert manifest.as_dict()["repeated"] == 3
    assert shards.repeats_sentence(manifest, examples=2) == (
        f"3 ids occur again: 'v001' of {a}, 'v002' of {b} and {a}, ..."
    )


def test_videos_that_are_also_in_another_data_set_are_counted(tmp_path):
    a = written(tmp_path / "a", video(1), video(2))
    b = written(tmp_path / "b", video(3), video(2, labels=integers(9)), video(2))
    first, second = (shards.scan(str(path), SCHEMA) for path in (a, b))
    assert (second.count_in(first), first.count_in(second)) == (2, 1)
    assert shards.scan(str(written(tmp_path / "c", video(4))), SCHEMA).count_in(first) == 0


def test_naming_an_id_of_a_large_shard_reads_it_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(large, "PIECE_BYTES", 1 << 16)
    path = written(tmp_path / "a", *(frame_video(n % 3998) for n in range(4000)))
    manifest = shards.scan(str(path), FRAME_SCHEMA)
    tracemalloc.start()
    told = shards.repeats_sentence(manifest)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told == f"2 ids occur again: 'v000' of {path}, 'v001' of {path}"
    assert peak < path.stat().st_size


def test_rows_are_told_apart_from_records_that_are_left_out(tmp_path):
    written(tmp_path / "a", video(1, labels=integers(99)), video(2))
    written(tmp_path / "b", video(5), video(6, id=integers(1)), video(2))
    manifest = shards.scan(str(tmp_path / "[ab]"), SCHEMA, on_bad_record="skip")
    assert manifest.repeats == [ids.Repeat(1, 1, 0, 0)]
    assert "'v002' of" in shards.repeats_sentence(manifest)


def test_ids_that_differ_are_no_repeats(sample):
    assert sample.repeats == []


def test_features_in_pieces_are_parsed_as_a_whole():
    record = example(id=text(b"a")) + field(1, entry("video_id", text(b"b", b"c")))
    assert ids.missing(record) is None
    assert ids.missing(b"\xff") == NO_ID + "it cannot be parsed."

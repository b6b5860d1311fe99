import struct
from pathlib import Path

import numpy as np
import pytest

from tests.data.examples import (
    SCHEMA,
    decoded,
    entry,
    example,
    field,
    floats,
    integers,
    text,
    unpacked_floats,
    unpacked_integers,
    varint,
    video,
)
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.data.tfrecords.records import Schema, decode
from yt8m_exp.data.tfrecords.wire import PADDING

GOLDEN = Path(__file__).parents[2] / "golden" / "readers"
RGB, AUDIO = [0.5, -1.5, 0.0, 3.25], [1e-30, -7.0]
GOOD = {
    "id": text(b"vid"),
    "labels": integers(1, 19),
    "mean_rgb": floats(RGB),
    "mean_audio": floats(AUDIO),
}


def entries(features):
    return b"".join(entry(key, feature) for key, feature in features.items())


def backwards(key, feature):
    return field(1, field(2, feature) + field(1, key.encode()))


LAYOUTS = {
    "keys the other way round": example(**dict(reversed(GOOD.items()))),
    "video_id for id": example(**{"video_id" if k == "id" else k: v for k, v in GOOD.items()}),
    "no labels": example(**{key: value for key, value in GOOD.items() if key != "labels"}),
    "empty labels": example(**GOOD | {"labels": integers()}),
    "labels packed into nothing": example(**GOOD | {"labels": field(3, field(1, b""))}),
    "labels with no kind": example(**GOOD | {"labels": b""}),
    "a label twice": example(**GOOD | {"labels": integers(7, 7, 3)}),
    "unpacked labels": example(**GOOD | {"labels": unpacked_integers(1, 19)}),
    "unpacked floats": example(**GOOD | {"mean_rgb": unpacked_floats(RGB)}),
    "labels in two pieces": example(**GOOD | {"labels": field(3, field(1, b"\1") * 2)}),
    "a long varint": example(**GOOD | {"labels": field(3, field(1, b"\x85\x80\x80\x80\x80\0"))}),
    "a key twice": field(1, entry("mean_rgb", floats([9] * 4)) + entries(GOOD)),
    "a value before its key": field(1, backwards("mean_rgb", floats([9] * 4)) + entries(GOOD)),
    "features in two pieces": b"".join(example(**{key: value}) for key, value in GOOD.items()),
    "an unknown field at the end": example(**GOOD) + field(9, b"later"),
    "an unknown number at the end": example(**GOOD) + varint(9 << 3) + varint(5),
    "an unknown field at the start": field(9, b"sooner") + example(**GOOD),
    "other features": example(title=text(b"a name"), frames=integers(3), **GOOD),
    "another feature of several strings": example(tags=text(b"a", b"b"), **GOOD),
    "another feature with no kind": example(nothing=b"", **GOOD),
    "many other features": example(**{f"f{n}": integers(n) for n in range(40)}, **GOOD),
    "a long other feature": example(thumbnail=text(bytes(3 << 20)), **GOOD),
    "an id of many bytes": example(**GOOD | {"id": text("дa😀".encode() * 50)}),
    "an id of no bytes": example(**GOOD | {"id": text(b"")}),
    "infinite values": example(**GOOD | {"mean_audio": floats([float("inf"), -0.0])}),
}
BAD = {
    "too few floats": (video(mean_rgb=floats([1, 2, 3])), "`mean_rgb` of 4 floats, but got 3"),
    "too many floats": (video(mean_rgb=floats([1] * 5)), "`mean_rgb` of 4 floats, but got 5"),
    "no floats": (video(mean_rgb=floats([])), "`mean_rgb` of 4 floats, but got 0"),
    "half a float": (video(mean_rgb=field(2, field(1, bytes(15)))), "`mean_rgb` of 4 floats"),
    "another type": (video(mean_rgb=integers(1, 2, 3, 4)), "floats, but got another type"),
    "no feature": (video(mean_audio=None), "it has no `mean_audio`"),
    "a label too high": (video(labels=integers(3, 20)), "labels in [0, 20), but got label 20"),
    "a label of 31 bits": (video(labels=integers(2**31 - 1)), "but got label 2147483647"),
    "a label of 32 bits": (video(labels=integers(2**32 + 1)), "labels in [0, 20)"),
    "a label of 63 bits": (video(labels=integers(2**62)), "labels in [0, 20)"),
    "a negative label": (video(labels=integers(-1)), "labels in [0, 20), but got"),
    "labels as floats": (video(labels=floats([1])), "`labels` to be a list of integers"),
    "half a label": (video(labels=field(3, field(1, b"\x01\x80"))), "labels"),
    "no id": (video(id=None), "one of the keys id, video_id"),
    "an id of two values": (video(id=text(b"a", b"b")), "one of the keys id, video_id"),
    "an id of another type": (video(id=integers(1)), "one of the keys id, video_id"),
    "nothing": (b"", "it has no `mean_rgb`"),
    "no features": (field(1, b""), "it has no `mean_rgb`"),
    "no protobuf": (b"\xff" * 40, "it has no `mean_rgb`"),
    "a record cut short": (video()[:-3], "`mean_rgb`"),
}


def one(videos, row=0):
    labels = videos.labels[videos.splits[row] : videos.splits[row + 1]]
    values = {name: rows[row].tolist() for name, rows in videos.features.items()}
    return videos.ids[row], values, labels.tolist()


def parsed(record, schema=SCHEMA):
    """What the protobuf library finds in a record."""
    from tensorflow.core.example.example_pb2 import Example

    features = Example.FromString(record).features.feature
    key = "id" if "id" in features else "video_id"
    values = {name: list(features[name].float_list.value) for name in schema.features}
    labels = list(features["labels"].int64_list.value) if "labels" in features else []
    return features[key].bytes_list.value[0], values, labels


def of_shard(path, schema):
    data = path.read_bytes()
    frames, _ = tfrecord.index(data, checksums=True)
    spans = zip(frames.starts.tolist(), frames.lengths.tolist(), strict=True)
    raw = [data[start : start + length] for start, length in spans]
    return raw, *decode(np.frombuffer(data + bytes(PADDING), np.uint8), frames, schema)


def test_every_record_of_a_real_shard_is_what_protobuf_finds(sample):
    raw, videos, problems = of_shard(Path(sample.shards[0].path), sample.schema)
    assert problems == []
    assert videos.labelled.all()
    assert len(raw) == sample.shards[0].records
    for row, record in enumerate(raw):
        assert one(videos, row) == parsed(record, sample.schema)


@pytest.mark.parametrize("release", ["head", "seed"])
def test_records_are_read_as_the_starter_code_reads_them(release):
    expected = np.load(GOLDEN / f"expected.{release}.npz")
    schema = Schema({"mean_rgb": 6, "mean_audio": 3}, 20)
    _, videos, problems = of_shard(GOLDEN / f"video.{release}.tfrecord", schema)
    assert problems == []
    assert videos.ids.tolist() == expected["video:video_ids"].tolist()
    assert expected["video:num_frames"].tolist() == [1] * len(videos.ids)  # and none here
    assert videos.frames is None
    matrix = np.concatenate(list(videos.features.values()), axis=1)
    np.testing.assert_array_equal(matrix, expected["video:video_matrix"])
    for row, dense in enumerate(expected["video:labels"]):
        assert set(one(videos, row)[2]) == set(np.flatnonzero(dense).tolist())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_is_read_as_protobuf_reads_it(layout):
    record = LAYOUTS[layout]
    videos, problems = decoded([video(3), record, video(4)])
    assert problems == []
    assert one(videos, 1) == parsed(record)
    assert (one(videos, 0), one(videos, 2)) == (parsed(video(3)), parsed(video(4)))


def test_all_layouts_together_are_read_as_each_alone():
    videos, problems = decoded(LAYOUTS.values())
    assert problems == []
    assert [one(videos, row) for row in range(len(LAYOUTS))] == [*map(parsed, LAYOUTS.values())]


def test_random_layouts_are_read_as_protobuf_reads_them():
    rng = np.random.default_rng(0)
    forms = {
        "labels": (integers, unpacked_integers),
        "mean_rgb": (lambda *v: floats(v), lambda *v: unpacked_floats(v)),
        "mean_audio": (lambda *v: floats(v), lambda *v: unpacked_floats(v)),
    }
    records = []
    for number in range(200):
        values = {
            "labels": rng.integers(0, 20, rng.integers(0, 6)).tolist(),
            "mean_rgb": rng.normal(size=4).tolist(),
            "mean_audio": rng.normal(size=2).tolist(),
        }
        parts = [entry("id", text(b"%d" % number))]
        parts += [entry(k, forms[k][int(rng.random() < 0.1)](*v)) for k, v in values.items()]
        parts += [entry("more", text(bytes(rng.integers(0, 300))))] * int(rng.integers(0, 2))
        records.append(field(1, b"".join(rng.permutation(np.array(parts, object)))))
    videos, problems = decoded(records)
    assert problems == []
    assert [one(videos, row) for row in range(200)] == [parsed(record) for record in records]


def test_records_tell_whether_they_have_labels():
    records = [video(), LAYOUTS["no labels"], LAYOUTS["empty labels"]]
    videos, _ = decoded(records)
    assert videos.labelled.tolist() == [True, False, True]
    assert videos.splits.tolist() == [0, 1, 1, 1]


def test_no_records_are_no_videos():
    videos, problems = decoded([])
    assert problems == []
    assert len(videos.ids) == len(videos.labels) == 0
    assert videos.splits.tolist() == [0]
    assert {name: values.shape for name, values in videos.features.items()} == {
        "mean_rgb": (0, 4),
        "mean_audio": (0, 2),
    }


def test_a_subset_of_the_features_can_be_read():
    videos, problems = decoded([video(1), video(2, mean_audio=None)], Schema({"mean_rgb": 4}, 20))
    assert problems == []
    assert list(videos.features) == ["mean_rgb"]


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_is_named_and_left_out(case):
    record, words = BAD[case]
    videos, (problem, *more) = decoded([video(0), video(1), record, video(3)])
    assert more == []
    assert problem.record == 2
    assert words in problem.text
    assert [one(videos, row) for row in range(3)] == [parsed(video(n)) for n in (0, 1, 3)]


def test_all_bad_records_are_found_among_good_ones():
    records = [record for bad, _ in BAD.values() for record in (video(5), bad)]
    videos, problems = decoded(records)
    assert [problem.record for problem in problems] == [2 * n + 1 for n in range(len(BAD))]
    assert videos.ids.tolist() == [b"v005"] * len(BAD)


def test_a_frame_level_record_is_refused_with_a_hint():
    from tensorflow.train import (
        BytesList,
        Feature,
        FeatureList,
        FeatureLists,
        Features,
        Int64List,
        SequenceExample,
    )

    frames = FeatureList(feature=[Feature(bytes_list=BytesList(value=[bytes(4)]))] * 3)
    record = SequenceExample(
        context=Features(
            feature={
                "id": Feature(bytes_list=BytesList(value=[b"vid"])),
                "labels": Feature(int64_list=Int64List(value=[1])),
            }
        ),
        feature_lists=FeatureLists(feature_list={"rgb": frames, "audio": frames}),
    ).SerializeToString()
    _, (problem,) = decoded([record])
    assert problem.record == 0
    assert "Is this a video-level shard?" in problem.text


def test_cut_or_flipped_records_never_break_the_others():
    rng = np.random.default_rng(1)
    record = video(7)
    for _ in range(300):
        broken = bytearray(record)
        broken[int(rng.integers(len(broken)))] ^= 1 << int(rng.integers(8))
        broken = bytes(broken)[: int(rng.integers(len(record) // 2, len(record) + 1))]
        videos, problems = decoded([video(1), broken, video(2)])
        assert {problem.record for problem in problems} <= {1}
        assert [videos.ids[0], videos.ids[-1]] == [b"v001", b"v002"]
        assert videos.features["mean_rgb"][-1].tolist() == parsed(video(2))[1]["mean_rgb"]


def test_values_are_read_bit_for_bit():
    bits = [0x7FC00001, 0x00000001, 0x80000000, 0xFF800000]
    payload = struct.pack("<4I", *bits)
    videos, _ = decoded([video(mean_rgb=field(2, field(1, payload)))])
    assert videos.features["mean_rgb"][0].tobytes() == payload

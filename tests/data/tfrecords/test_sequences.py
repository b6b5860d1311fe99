import re
from pathlib import Path

import numpy as np
import pytest

from tests.data.examples import (
    FRAME_SCHEMA,
    decoded,
    entry,
    example,
    field,
    floats,
    frame_video,
    integers,
    lists,
    pixels,
    rows,
    text,
    varint,
    video,
)
from yt8m_exp.data import shards
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.tfrecords.records import Schema

GOLDEN = Path(__file__).parents[2] / "golden" / "readers"
SAMPLE = Path(__file__).parents[3] / "sample" / "frame"
RGB, AUDIO = pixels(0, 4, 6), pixels(0, 4, 3)
CONTEXT = example(id=text(b"vid"), labels=integers(1, 19))
AS_ROWS = {"rgb": rows(r.tobytes() for r in RGB), "audio": rows(r.tobytes() for r in AUDIO)}


def unusual(values):
    """Rows with an unknown field behind each, which readers have to pass over."""
    return b"".join(field(1, text(value) + varint(9 << 3) + varint(5)) for value in values)


LAYOUTS = {
    "as TensorFlow writes it": CONTEXT + lists(**AS_ROWS),
    "audio first": CONTEXT + lists(**dict(reversed(AS_ROWS.items()))),
    "other lists too": CONTEXT + lists(other=rows([b"x"]), **AS_ROWS),
    "lists before the context": lists(**AS_ROWS) + CONTEXT,
    "lists in two pieces": CONTEXT + lists(rgb=AS_ROWS["rgb"]) + lists(audio=AS_ROWS["audio"]),
    "a value before its key": CONTEXT
    + field(2, field(1, field(2, AS_ROWS["rgb"]) + field(1, b"rgb")))
    + lists(audio=AS_ROWS["audio"]),
    "unknown fields in every row": CONTEXT
    + lists(rgb=unusual(r.tobytes() for r in RGB), audio=AS_ROWS["audio"]),
    "unknown fields at the end": CONTEXT + lists(**AS_ROWS) + field(9, b"later"),
    "the older id": example(video_id=text(b"vid"), labels=integers(1, 19)) + lists(**AS_ROWS),
    "mean features too": field(1, CONTEXT[2:] + entry("mean_rgb", floats([1.0] * 4)))
    + lists(**AS_ROWS),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_of_valid_protobuf_gives_the_same_frames(layout):
    # Beside usual records, so that both ways of reading meet in one buffer.
    videos, problems = decoded([frame_video(1), LAYOUTS[layout], frame_video(2)], FRAME_SCHEMA)
    assert not problems
    batch = videos.batch(np.arange(3))
    assert batch["id"].tolist() == [b"v001", b"vid", b"v002"]
    assert batch["labels"].tolist() == [[1, -1], [1, 19], [2, -1]]
    assert np.array_equal(batch["rgb"][1, :4], RGB)
    assert np.array_equal(batch["audio"][1, :4], AUDIO)
    assert np.array_equal(batch["rgb"][2, :4], pixels(2, 4, 6))


BAD = {
    "a list is missing": (CONTEXT + lists(rgb=AS_ROWS["rgb"]), "it has no list `audio`"),
    "no lists": (CONTEXT, "it has no list `rgb` .* Is this a frame-level shard"),
    "a video-level record": (video(1), "Is this a frame-level shard"),
    "rows of another size": (
        CONTEXT + lists(**AS_ROWS | {"rgb": rows([b"12345"] * 4)}),
        "expected `rgb` rows of 6 bytes, but got 5",
    ),
    "one row of another size": (
        CONTEXT + lists(**AS_ROWS | {"rgb": rows([b"123456", b"1234", b"123456", b"123456"])}),
        "expected `rgb` rows of 6 bytes, but got 4",
    ),
    "the first row of another size": (
        CONTEXT + lists(**AS_ROWS | {"rgb": rows([b"1", *[b"123456"] * 3])}),
        "expected `rgb` rows of 6 bytes, but got 1",
    ),
    "rows of floats": (
        CONTEXT + lists(**AS_ROWS | {"rgb": field(1, floats([0.5] * 6)) * 4}),
        "expected `rgb` rows of 6 bytes, but got numbers",
    ),
    "two strings in a row": (
        CONTEXT + lists(**AS_ROWS | {"rgb": field(1, text(b"123456", b"123456")) * 4}),
        "it has no list `rgb` of single strings",
    ),
    "features of other lengths": (
        CONTEXT + lists(**AS_ROWS | {"audio": rows([b"123"] * 3)}),
        "as many frames of every feature, but got 4 of `rgb` and 3 of `audio`",
    ),
    "no protobuf": (b"\xff\xff\xff", "expected"),
    "a label out of range": (
        example(id=text(b"vid"), labels=integers(20)) + lists(**AS_ROWS),
        r"expected labels in \[0, 20\), but got label 20",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_is_named_and_the_others_are_kept(case):
    record, message = BAD[case]
    videos, [problem] = decoded([frame_video(1), record, frame_video(2)], FRAME_SCHEMA)
    assert problem.record == 1
    assert re.search(message, problem.text)
    assert videos.ids.tolist() == [b"v001", b"v002"]
    assert videos.records.tolist() == [0, 2]
    assert np.array_equal(videos.batch(np.array([1]))["rgb"][0, :4], pixels(2, 4, 6))


def test_a_video_without_frames_is_empty_and_a_long_one_is_cut():
    videos, problems = decoded(
        [frame_video(1, 0), frame_video(2, 9), frame_video(3, 2)], FRAME_SCHEMA
    )
    assert not problems
    batch = videos.batch(np.arange(3))
    assert batch["frames"].tolist() == [0, 7, 2]
    assert batch["rgb"].shape == (3, 7, 6)
    assert np.array_equal(batch["rgb"][1], pixels(2, 9, 6)[:7])
    assert not batch["rgb"][0].any()
    assert not batch["audio"][2, 2:].any()


def test_padding_does_not_reach_the_longest_possible_for_short_videos():
    schema = Schema(FRAME_SCHEMA.features, 20, "frame", max_frames=300)
    videos, _ = decoded([frame_video(1, 3), frame_video(2, 51)], schema)
    assert videos.batch(np.array([0]))["rgb"].shape == (1, 50, 6)
    assert videos.batch(np.array([0, 1]))["rgb"].shape == (2, 100, 6)


def test_a_subset_of_the_features_is_read():
    videos, problems = decoded([frame_video(1)], Schema({"audio": 3}, 20, "frame"))
    assert not problems
    assert list(videos.features) == ["audio"]


def test_the_sample_is_read_as_tensorflow_reads_it():
    import tensorflow as tf

    schema = Schema({"rgb": 1024, "audio": 128}, 3862, "frame")
    manifest = shards.scan(str(SAMPLE / "train"), schema)
    paths = [shard.path for shard in manifest.shards]
    expected = iter(tf.data.TFRecordDataset(paths).as_numpy_iterator())
    strings = tf.io.FixedLenSequenceFeature([], tf.string)
    for batch in ordered_batches(manifest, 4):
        for row, video_id in enumerate(batch["id"]):
            context, values = tf.io.parse_single_sequence_example(
                next(expected),
                {
                    "id": tf.io.FixedLenFeature([], tf.string),
                    "labels": tf.io.VarLenFeature(tf.int64),
                },
                {"rgb": strings, "audio": strings},
            )
            assert context["id"].numpy() == video_id
            labels = [label for label in batch["labels"][row] if label >= 0]
            assert context["labels"].values.numpy().tolist() == labels
            frames = batch["frames"][row]
            for name in values:
                matrix = tf.io.decode_raw(values[name], tf.uint8).numpy()
                assert np.array_equal(matrix, batch[name][row, :frames])
                assert not batch[name][row, frames:].any()
    assert next(expected, None) is None


@pytest.mark.parametrize("release", ["head", "seed"])
def test_the_readers_of_the_starter_code_agree(release):
    expected = np.load(GOLDEN / f"expected.{release}.npz")
    manifest = shards.scan(str(GOLDEN / f"frame.{release}.tfrecord"), FRAME_SCHEMA)
    [batch] = ordered_batches(manifest, 8)
    matrix = np.concatenate([batch["rgb"], batch["audio"]], axis=-1)
    values = matrix * (4 / 255) + (4 / 512 - 2)
    values[np.arange(7) >= batch["frames"][:, None]] = 0
    assert batch["id"].tolist() == expected["frame:video_ids"].tolist()
    assert batch["frames"].tolist() == expected["frame:num_frames"].tolist()
    np.testing.assert_allclose(values, expected["frame:video_matrix"], atol=1e-6)
    for labels, dense in zip(batch["labels"], expected["frame:labels"], strict=True):
        assert set(labels[labels >= 0].tolist()) == set(np.flatnonzero(dense).tolist())

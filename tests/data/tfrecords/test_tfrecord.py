from pathlib import Path

import numpy as np
import pytest

from yt8m_exp.data.tfrecords import tfrecord

SHARD = Path(__file__).parents[3] / "sample" / "video" / "train" / "validate0067.tfrecord"
RECORDS = [b"first", b"", b"the third record", b"4" * 300]


def written(path, records=RECORDS):
    tfrecord.write(path, records)
    return path.read_bytes()


def contents(data, frames):
    spans = zip(frames.starts.tolist(), frames.lengths.tolist(), strict=True)
    return [bytes(data[start : start + length]) for start, length in spans]


def test_written_records_are_found_again(tmp_path):
    data = written(tmp_path / "x.tfrecord")
    frames, problems = tfrecord.index(data, checksums=True)
    assert contents(data, frames) == RECORDS
    assert problems == []


def test_an_empty_file_has_no_records():
    frames, problems = tfrecord.index(b"", checksums=True)
    assert len(frames.starts) == len(frames.lengths) == 0
    assert problems == []


def test_a_file_is_written_as_tensorflow_writes_it(tmp_path):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "theirs.tfrecord")) as writer:
        for record in RECORDS:
            writer.write(record)
    assert written(tmp_path / "ours.tfrecord") == (tmp_path / "theirs.tfrecord").read_bytes()


def test_a_real_shard_is_read_as_tensorflow_reads_it():
    import tensorflow as tf

    data = SHARD.read_bytes()
    frames, problems = tfrecord.index(data, checksums=True)
    theirs = [record.numpy() for record in tf.data.TFRecordDataset(str(SHARD))]
    assert contents(data, frames) == theirs
    assert problems == []


def test_a_cut_at_any_byte_costs_only_what_lies_behind_it(tmp_path):
    data = written(tmp_path / "x.tfrecord")
    frames, _ = tfrecord.index(data, checksums=True)
    ends = [0, *(frames.starts + frames.lengths + tfrecord.FOOTER_BYTES).tolist()]
    for size in range(len(data)):
        whole = sum(end <= size for end in ends) - 1
        for checksums in (True, False):
            left, problems = tfrecord.index(data[:size], checksums=checksums)
            assert contents(data, left) == RECORDS[:whole]
            assert [problem.record for problem in problems] == [whole] * (size not in ends)


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_any_flipped_bit_is_noticed_and_earlier_records_stay(tmp_path, mask):
    data = written(tmp_path / "x.tfrecord")
    frames, _ = tfrecord.index(data, checksums=True)
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= mask
        found, (problem, *more) = tfrecord.index(bytes(flipped), checksums=True)
        hit = int(np.searchsorted(frames.starts - tfrecord.HEADER_BYTES, place, side="right")) - 1
        assert problem.record == hit
        assert more == []
        assert contents(flipped, found)[:hit] == RECORDS[:hit]
        in_header = place < frames.starts[hit]
        assert len(found.starts) == (hit if in_header else len(RECORDS))
        if not in_header:  # the records behind it are as they were
            assert contents(flipped, found)[hit + 1 :] == RECORDS[hit + 1 :]


def test_flipped_bits_of_a_real_shard_are_noticed():
    data = SHARD.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(data), 60, replace=False):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        _, problems = tfrecord.index(bytes(flipped), checksums=True)
        assert len(problems) == 1


def test_framing_does_not_trust_a_flipped_length(tmp_path):
    data = bytearray(written(tmp_path / "x.tfrecord"))
    data[0] ^= 0x10  # a length that still ends inside the file
    frames, problems = tfrecord.index(bytes(data), checksums=False)
    assert len(frames.starts) == 0
    assert [problem.record for problem in problems] == [0]


def test_a_problem_says_where_it_is(tmp_path):
    data = written(tmp_path / "x.tfrecord")
    _, (problem,) = tfrecord.index(data[:-1], checksums=True)
    assert problem.record == 3
    assert f"{12 + 300 + 4} bytes from byte {len(data) - 316}" in problem.text


def test_a_view_is_indexed_as_bytes_are(tmp_path):
    data = written(tmp_path / "x.tfrecord")
    for size in (len(data), len(data) - 1, 40, 5):
        view = memoryview(np.frombuffer(data, np.uint8).copy())[:size]  # may be written to
        for checksums in (True, False):
            found, problems = tfrecord.index(view, checksums=checksums)
            frames, same = tfrecord.index(data[:size], checksums=checksums)
            assert contents(view, found) == contents(data, frames)
            assert problems == same

import numpy as np
import pytest

from tests.data.examples import video
from yt8m_exp.data.tfrecords import framing, tfrecord, wire

pytestmark = pytest.mark.skipif(not framing.is_fast(), reason="The processor takes no CRC-32C.")


def file(tmp_path, *records):
    tfrecord.write(tmp_path / "a", records)
    return bytearray((tmp_path / "a").read_bytes())


def sound(data):
    return framing.sound(np.frombuffer(bytes(data) + bytes(wire.PADDING), np.uint8))


@pytest.mark.parametrize("sizes", [(), (0,), (1, 7, 8, 9), (300, 0, 15), (4096,)])
def test_a_sound_file_is_framed_as_by_the_reader(tmp_path, sizes):
    rng = np.random.default_rng(0)
    data = file(tmp_path, *map(rng.bytes, sizes))
    expected, problems = tfrecord.index(bytes(data), checksums=True)
    assert not problems
    for ours, theirs in zip(sound(data), expected, strict=True):
        assert ours.tolist() == theirs.tolist()


def test_a_flip_of_any_byte_is_noticed(tmp_path):
    data = file(tmp_path, video(0), b"abc")
    for place in range(len(data)):
        data[place] ^= 0x10
        assert sound(data) is None
        data[place] ^= 0x10
    assert sound(data)


def test_a_cut_anywhere_but_between_records_is_noticed(tmp_path):
    data = file(tmp_path, video(0), b"abc")
    ends = [0, len(file(tmp_path, video(0))), len(data)]
    assert [size for size in range(len(data) + 1) if sound(data[:size])] == ends

import logging
from fractions import Fraction

import numpy as np
import pytest

from tests.videos import made
from yt8m_exp.videos.reading import pictures
from yt8m_exp.videos.reading.files import BadVideoError

NTSC = Fraction(30_000, 1001)


def numbers(path, most=300):
    return [made.number_of(picture) for picture in pictures.each_second(path, most)]


@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.mkv", "libvpx", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.flv", "flv", "yuv420p"),
        ("a.mov", "libx264", "yuv444p"),
        ("a.gif", "gif", "rgb8"),
    ],
)
def test_the_frame_at_each_second_is_found_in_any_container(tmp_path, name, codec, form):
    path = made.video(tmp_path / name, made.times(90, 25), codec=codec, form=form)
    assert numbers(path) == [0, 25, 50, 75]


@pytest.mark.parametrize(
    ("rate", "frames", "expected"),
    [
        (NTSC, 100, [0, 29, 59, 89]),  # frame 30 comes at 1.001 seconds
        (24, 72, [0, 24, 48]),
        (24, 73, [0, 24, 48, 72]),  # 3 seconds and a frame
        (10, 5, [0]),
        (Fraction(1, 2), 3, [0, 0, 1, 1, 2]),  # the file does not tell how long the last lasts
    ],
)
def test_the_frame_that_is_shown_at_a_second_is_the_last_whose_time_has_come(
    tmp_path, rate, frames, expected
):
    path = made.video(tmp_path / "a.mp4", made.times(frames, rate))
    assert numbers(path) == expected


def test_frames_at_no_fixed_rate_are_shown_until_the_next_comes(tmp_path):
    shown = [Fraction(n, 100) for n in (0, 4, 90, 101, 130, 199, 201, 470, 475)]
    path = made.video(tmp_path / "a.mkv", shown)
    assert numbers(path) == [0, 2, 5, 6, 6]


def test_a_video_that_begins_late_begins_with_its_first_frame(tmp_path):
    path = made.video(tmp_path / "a.ts", [time + 3 for time in made.times(60, 25)])
    assert numbers(path) == [0, 25, 50]


def test_no_more_is_decoded_than_is_asked_for(tmp_path):
    path = made.video(tmp_path / "a.mp4", made.times(200, 25))
    assert numbers(path, most=2) == [0, 25]


@pytest.mark.parametrize("turned", [90, 180, -90])
def test_pictures_are_upright(tmp_path, turned):
    def stored(number):
        return np.rot90(made.numbered(number), -turned // 90)

    path = made.video(tmp_path / "a.mp4", made.times(50, 25), stored, rotation=turned)
    found = list(pictures.each_second(path, 300))
    assert [picture.shape for picture in found] == [(made.HEIGHT, made.WIDTH, 3)] * 2
    assert [made.number_of(picture) for picture in found] == [0, 25]
    assert all(map(made.is_upright, found))


def test_a_phones_own_matrix_turns_pictures_clockwise(tmp_path):
    """The matrix in the file's track header is what phones write for `rotate=90`."""
    path = made.video(
        tmp_path / "a.mp4", made.times(30, 25), lambda number: np.rot90(made.numbered(number))
    )
    words = [0, 0x10000, 0, -0x10000, 0, 0]
    one = [0x10000, 0, 0, 0, 0x10000, 0]
    before, after = (b"".join(w.to_bytes(4, "big", signed=True) for w in m) for m in (one, words))
    data = path.read_bytes()
    header = data.index(b"tkhd")
    path.write_bytes(data[:header] + data[header:].replace(before, after, 1))
    first, _ = pictures.each_second(path, 300)
    assert made.is_upright(first)
    assert first.shape == (made.HEIGHT, made.WIDTH, 3)


def test_a_cut_file_gives_what_is_left_and_says_so(tmp_path, caplog):
    path = made.video(
        tmp_path / "a.mp4", made.times(250, 25), movflags="faststart", sound=made.tone(10)
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.WARNING, "yt8m_exp"):
        found = numbers(path)
    assert 2 <= len(found) < 10
    assert found == [25 * second for second in range(len(found))]
    assert f"{path} breaks off" in caplog.text


def test_damaged_frames_are_left_out(tmp_path):
    path = made.video(tmp_path / "a.ts", made.times(250, 25), g="10", codec="libx264")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    assert len(numbers(path)) == 10
    assert numbers(path)[-1] == 225


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.mp4", b"", "0 bytes"),
        ("text.mp4", b"no video at all\n" * 100, "cannot be opened"),
        ("none.mp4", None, "cannot be opened: No such file"),
    ],
)
def test_what_is_no_video_is_named(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadVideoError, match=words) as refused:
        numbers(tmp_path / name)
    assert str(tmp_path / name) in str(refused.value)


def test_music_with_a_cover_is_no_video(tmp_path):
    import av

    path = tmp_path / "a.mp3"
    with av.open(str(path), "w") as container:
        track = container.add_stream("libmp3lame", rate=made.RATE, layout="mono")
        made.write_sound(container, track, made.tone(1), 0)
    with pytest.raises(BadVideoError, match="no moving pictures"):
        numbers(path)

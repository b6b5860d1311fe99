import numpy as np
import pytest

from tests.videos import made
from yt8m_exp.videos.networks.mel import SAMPLE_RATE
from yt8m_exp.videos.reading import sound


def video(path, **options):
    return made.video(path, made.times(75, 25), **options)


def waveform(path, seconds):
    """The whole sound, read in pieces of two seconds."""
    return np.concatenate(list(sound.pieces(path, seconds, 2)))


def loudness(wave, second):
    part = wave[round(second * SAMPLE_RATE) :][: SAMPLE_RATE // 10]
    return float(np.sqrt((part**2).mean()))


@pytest.mark.parametrize(
    ("name", "codec", "pictures"),
    [
        ("a.mp4", "aac", "libx264"),
        ("a.webm", "libopus", "libvpx"),
        ("a.avi", "libmp3lame", "mjpeg"),
        ("a.mov", "pcm_s16le", "libx264"),
    ],
)
def test_a_tone_stays_what_it_is(tmp_path, name, codec, pictures):
    form = "yuvj420p" if pictures == "mjpeg" else "yuv420p"
    tone = made.tone(3, 440, channels=2)
    path = video(tmp_path / name, sound=tone, sound_codec=codec, codec=pictures, form=form)
    wave = waveform(path, 3)
    assert wave.shape == (3 * SAMPLE_RATE,)
    middle = wave[SAMPLE_RATE : 2 * SAMPLE_RATE]
    spectrum = np.abs(np.fft.rfft(middle))
    assert spectrum.argmax() == 440  # a second has a bin for each hertz
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.03)


def test_channels_are_averaged(tmp_path):
    tones = np.concatenate([made.tone(3, 440), made.tone(3, 880)])
    path = video(tmp_path / "a.mov", sound=tones, sound_codec="pcm_s16le")
    spectrum = np.abs(np.fft.rfft(waveform(path, 3)[:SAMPLE_RATE])) / SAMPLE_RATE * 2
    assert spectrum[[440, 880]] == pytest.approx([0.25, 0.25], abs=0.01)


def test_sound_that_starts_late_is_in_step_with_the_pictures(tmp_path):
    path = video(
        tmp_path / "a.mkv", sound=made.tone(2), sound_codec="pcm_s16le", sound_start=1.0,
    )  # fmt: skip
    wave = waveform(path, 3)
    assert loudness(wave, 0.85) == 0
    assert loudness(wave, 1.05) > 0.3


def test_a_video_that_begins_late_has_its_sound_from_there(tmp_path):
    shown = [time + 1 for time in made.times(50, 25)]
    tone = np.concatenate([np.zeros((1, made.RATE), np.float32), made.tone(2)], axis=1)
    path = made.video(tmp_path / "a.mkv", shown, sound=tone, sound_codec="pcm_s16le")
    wave = waveform(path, 2)
    assert loudness(wave, 0.0) > 0.3


def test_a_video_without_sound_is_silent_and_so_is_one_after_its_sound(tmp_path):
    assert (waveform(video(tmp_path / "a.mp4"), 3) == np.zeros(3 * SAMPLE_RATE)).all()
    path = video(tmp_path / "b.mov", sound=made.tone(1), sound_codec="pcm_s16le")
    wave = waveform(path, 3)
    assert len(wave) == 3 * SAMPLE_RATE
    assert loudness(wave, 0.5) > 0.3
    assert np.abs(wave[round(1.1 * SAMPLE_RATE) :]).max() == 0


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_pieces_are_the_same_sound(tmp_path, length):
    path = video(tmp_path / "a.mov", sound=made.tone(3), sound_codec="pcm_s16le")
    pieces = list(sound.pieces(path, 3, length))
    assert [len(piece) // SAMPLE_RATE for piece in pieces[:-1]] == [length] * (len(pieces) - 1)
    assert (np.concatenate(pieces) == waveform(path, 3)).all()

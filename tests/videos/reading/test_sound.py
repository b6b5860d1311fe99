import numpy as np
import pytest

from tests.videos import made
from yt8m_exp.videos.networks.mel import SAMPLE_RATE
from yt8m_exp.videos.reading import sound


def video(path, **options):
    return made.video(path, made.times(75, 25), **options)


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
    wave = sound.waveform(path, 3)
    assert wave.shape == (3 * SAMPLE_RATE,)
    middle = wave[SAMPLE_RATE : 2 * SAMPLE_RATE]
    spectrum = np.abs(np.fft.rfft(middle))
    assert spectrum.argmax() == 440  # a second has a bin for each hertz
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.03)


def test_channels_are_averaged(tmp_path):
    tones = np.concatenate([made.tone(3, 440), made.tone(3, 880)])
    path = video(tmp_path / "a.mov", sound=tones, sound_codec="pcm_s16le")
    spectrum = np.abs(np.fft.rfft(sound.waveform(path, 3)[:SAMPLE_RATE])) / SAMPLE_RATE * 2
    assert spectrum[[440, 880]] == pytest.approx([0.25, 0.25], abs=0.01)


def test_sound_that_starts_late_is_in_step_with_the_pictures(tmp_path):
    path = video(
        tmp_path / "a.mkv", sound=made.tone(2), sound_codec="pcm_s16le", sound_start=1.0,
    )  # fmt: skip
    wave = sound.waveform(path, 3)
    assert loudness(wave, 0.85) == 0
    assert loudness(wave, 1.05) > 0.3


def test_a_video_that_begins_late_has_its_sound_from_there(tmp_path):
    shown = [time + 1 for time in made.times(50, 25)]
    tone = np.concatenate([np.zeros((1, made.RATE), np.float32), made.tone(2)], axis=1)
    path = made.video(tmp_path / "a.mkv", shown, sound=tone, sound_codec="pcm_s16le")
    wave = sound.waveform(path, 2)
    assert loudness(wave, 0.0) > 0.3


def test_a_video_without_sound_has_none_and_short_sound_ends_in_silence(tmp_path):
    assert sound.waveform(video(tmp_path / "a.mp4"), 3) is None
    path = video(tmp_path / "b.mov", sound=made.tone(1), sound_codec="pcm_s16le")
    wave = sound.waveform(path, 3)
    assert len(wave) == 3 * SAMPLE_RATE
    assert loudness(wave, 0.5) > 0.3
    assert np.abs(wave[round(1.1 * SAMPLE_RATE) :]).max() == 0

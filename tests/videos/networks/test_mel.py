import numpy as np
import pytest

from yt8m_exp.videos.networks import mel


def worked_out(waveform):
    """Log-mel values of one window, term by term as the paper's parameters say."""
    window = [0.5 - 0.5 * np.cos(2 * np.pi * n / 400) for n in range(400)]
    samples = np.arange(400)
    magnitudes = []
    for k in range(257):
        turn = np.exp(-2j * np.pi * k * samples / 512)
        magnitudes.append(abs(sum(waveform[:400] * window * turn)))

    def to_mel(hertz):
        return 1127 * np.log(1 + hertz / 700)

    edges = [
        to_mel(125) + n * (to_mel(7500) - to_mel(125)) / 65 for n in range(66)
    ]  # fmt: skip
    bands = []
    for band in range(64):
        total = 0.0
        for k in range(1, 257):
            m = to_mel(k * 31.25)
            rising = (m - edges[band]) / (edges[band + 1] - edges[band])
            falling = (edges[band + 2] - m) / (edges[band + 2] - edges[band + 1])
            total += magnitudes[k] * max(0, min(rising, falling))
        bands.append(np.log(total + 0.01))
    return bands


def test_patches_are_what_the_published_parameters_say():
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.1, 2 * 16_000).astype(np.float32)
    patches = mel.patches(wave)
    assert patches.shape == (2, 96, 64)
    assert patches.dtype == np.float32
    for second, window in ((0, 0), (0, 95), (1, 0), (1, 50)):
        at = second * 16_000 + window * 160
        assert patches[second, window] == pytest.approx(worked_out(wave[at : at + 400]), abs=1e-4)


def test_silence_is_the_logarithm_of_the_offset():
    assert mel.patches(np.zeros(16_000, np.float32)) == pytest.approx(np.log(0.01))


def test_a_tone_is_in_the_bands_around_it():
    wave = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    (patch,) = mel.patches(wave)
    edges = np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)
    nearest = np.abs(edges[1:-1] - 1127 * np.log1p(1000 / 700)).argmin()
    assert abs(patch[50].argmax() - nearest) <= 1


def test_a_rest_of_less_than_a_second_is_left_out():
    assert mel.patches(np.zeros(31_999, np.float32)).shape == (1, 96, 64)
    assert mel.patches(np.zeros(15_999, np.float32)).shape == (0, 96, 64)

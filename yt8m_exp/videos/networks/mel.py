"""Log-mel patches of sound, the input of VGGish.

Source: S. Hershey et al., "CNN Architectures for Large-Scale Audio Classification", 2017,
https://arxiv.org/abs/1609.09430, with the parameters of the published model,
https://github.com/tensorflow/models/tree/master/research/audioset/vggish (vggish_params.py).
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
WINDOW = 400
"""25 ms."""
HOP = 160
"""10 ms."""
FFT = 512
BANDS = 64
LOWEST_HERTZ, HIGHEST_HERTZ = 125.0, 7500.0
LOG_OFFSET = 0.01
PATCH = 96
"""Windows of a patch: 0.96 seconds. Patches of YouTube-8M begin each second, as its frames do."""
SAMPLES = (PATCH - 1) * HOP + WINDOW
"""Samples that a patch is computed from, 15,600."""


def patches(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns a patch for each full second of a waveform, float32 (T, PATCH, BANDS).

    Args:
        waveform: in [-1, 1], at `SAMPLE_RATE`; a rest of less than a second is left out.
    """
    seconds = len(waveform) // SAMPLE_RATE
    samples = waveform[: seconds * SAMPLE_RATE].reshape(seconds, SAMPLE_RATE)[:, :SAMPLES]
    windows = sliding_window_view(samples, WINDOW, axis=1)[:, ::HOP]  # (T, PATCH, WINDOW)
    magnitudes = np.abs(np.fft.rfft(windows * _hann(), FFT))  # (T, PATCH, FFT // 2 + 1)
    return np.log(magnitudes @ mel_weights() + LOG_OFFSET).astype(np.float32)


def mel_weights() -> NDArray[np.float64]:
    """Returns how much of each frequency each band takes, (FFT // 2 + 1, BANDS).

    Bands are triangles on the mel scale that meet at their neighbours' tips. The frequency zero
    goes to no band.
    """
    bins = _mel(np.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1))[:, None]
    edges = np.linspace(_mel(LOWEST_HERTZ), _mel(HIGHEST_HERTZ), BANDS + 2)
    low, tip, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(np.minimum((bins - low) / (tip - low), (high - bins) / (high - tip)), 0)
    weights[0] = 0
    return weights


def _mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def _hann() -> NDArray[np.float64]:
    """Returns a Hann window that is periodic: its first value comes again after the last."""
    return 0.5 - 0.5 * np.cos(2 * np.pi / WINDOW * np.arange(WINDOW))

"""Long short-term memory: reads the frames in order, and classifies the last state.

Source: LstmModel of google/youtube-8m, frame_level_models.py.
"""

from collections.abc import Mapping

import keras
import numpy as np

from yt8m_exp.models import frames, recurrent
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import Normalize
from yt8m_exp.models.sampling import Sampling


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    sampling: Sampling,
    head: Head,
    normalize: Normalize,
    units: int,
    layers: int,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        head: classifies the last state; see the module `heads`.
        normalize: see `frames.Dequantize`.
        units: size of the state of each layer.
        layers: the number of stacked layers.
        dropout: share of the last state that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    x, count = frames.joined(named, sampling, normalize)
    x = recurrent.last_state(x, count, recurrent.LSTM, units=units, layers=layers)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(named, head(x, classes), name="lstm")


def from_basic_cell(kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    """Converts the weights of TensorFlow 1's BasicLSTMCell to those of our layer.

    Args:
        kernel: (D + H, 4 H), rows of the input and then of the state, gates in the order i, j, f,
            o, where j is Keras' c.
        bias: (4 H,); that cell adds one to the forget gate's when it runs.

    Returns:
        Kernel (D, 4 H), recurrent kernel (H, 4 H) and bias (4 H,), gates in the order i, f, c, o.
    """
    units = kernel.shape[1] // 4

    def ordered(gates: np.ndarray) -> np.ndarray:
        i, j, f, o = np.split(gates, 4, axis=-1)
        return np.concatenate([i, f, j, o], axis=-1)

    forget = np.repeat(np.array([0, 1, 0, 0], bias.dtype), units)
    return [*np.split(ordered(kernel), [len(kernel) - units]), ordered(bias) + forget]

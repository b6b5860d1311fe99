"""Long short-term memory: reads the frames one after another, judges by the last state.

Source: LstmModel of google/youtube-8m, frame_level_models.py.
"""

from collections.abc import Mapping

import keras
import numpy as np

from yt8m_exp import spec
from yt8m_exp.models import frames, heads, inputs, recurrent
from yt8m_exp.models.sampling import Sampling


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    max_frames: int = spec.MAX_FRAMES,
    sampling: Sampling = "none",
    samples: int = 150,
    normalize: inputs.Normalize = "each",
    cells: int = 1024,
    layers: int = 2,
    dropout: float = 0.0,
    head: heads.Head = "moe",
    experts: int = 2,
    l2: float = 1e-8,
    bias: float = 0.0,
    even_start: bool = False,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        max_frames: see `sampling.Choose`.
        sampling: see `sampling.Choose`.
        samples: see `sampling.Choose`.
        normalize: see `frames.Dequantize`.
        cells: size of the state of each layer.
        layers: how many of them stand on each other.
        dropout: share of the last state dropped in training.
        head: see `heads.head`.
        experts: see `heads.moe`.
        l2: weight of the regulariser of the head.
        bias: the logit that every expert starts from.
        even_start: see `heads.moe`.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).
    """
    named = frames.named(features)
    x, count = frames.joined(
        named, max_frames=max_frames, sampling=sampling, samples=samples, normalize=normalize
    )
    x = recurrent.last_state(x, count, recurrent.LSTM, cells=cells, layers=layers)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    probabilities = heads.head(
        x, classes, head=head, experts=experts, l2=l2, bias=bias, even_start=even_start
    )
    return keras.Model(named, probabilities, name="lstm")


def from_basic_cell(kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    """Returns the weights of a layer of ours from those of TensorFlow 1's BasicLSTMCell.

    Args:
        kernel: (D + H, 4 H), rows of the input and then of the state, gates in the order i, j, f,
            o, where j is Keras' c.
        bias: (4 H,); that cell adds one to the forget gate's when it runs.

    Returns:
        Kernel (D, 4 H), recurrent kernel (H, 4 H) and bias (4 H,), gates in the order i, f, c, o.
    """
    cells = kernel.shape[1] // 4

    def ordered(gates: np.ndarray) -> np.ndarray:
        i, j, f, o = np.split(gates, 4, axis=-1)
        return np.concatenate([i, f, j, o], axis=-1)

    forget = np.repeat(np.array([0, 1, 0, 0], bias.dtype), cells)
    return [*np.split(ordered(kernel), [len(kernel) - cells]), ordered(bias) + forget]

"""Long short-term memory: reads the frames in order, and classifies states.

Source: LstmModel of google/youtube-8m, frame_level_models.py (`states=last`); LstmModel of
https://github.com/antoine77340/Youtube-8M-WILLOW (`all`); LstmMemoryModel and
LstmAttentionMaxPoolingModel of https://github.com/wangheda/youtube-8m (`memory`, `attention`), and
its LstmMemoryDeepChainModel (`memory`, `chained`).
"""

from collections.abc import Mapping
from dataclasses import replace

import keras
import numpy as np

from yt8m_exp.models import frames
from yt8m_exp.models.chain import ChainOfExperts
from yt8m_exp.models.heads import Head
from yt8m_exp.models.inputs import Normalize
from yt8m_exp.models.recurrent import stacks
from yt8m_exp.models.recurrent.layers import LSTM
from yt8m_exp.models.requirements import require_choice
from yt8m_exp.models.sampling import Sampling
from yt8m_exp.spec import InputError


def build(
    features: Mapping[str, int],
    classes: int,
    *,
    sampling: Sampling,
    head: Head,
    normalize: Normalize,
    units: int,
    layers: int,
    backwards: bool,
    states: stacks.StatesOrAttention,
    chained: bool,
    heads: int,
    position_units: int,
    dropout: float,
) -> keras.Model:
    """Builds the model.

    Args:
        features: the size of each input by name.
        classes: C, the number of probabilities.
        sampling: samples the frames; see the module `sampling`.
        head: classifies the states; see the module `heads`.
        normalize: see `frames.Dequantize`.
        units: size of the state of each layer.
        layers: the number of stacked layers.
        backwards: whether frames are read from the last to the first.
        states: those that are classified, see `stacks.Stack.last`; or `attention`, see
            `stacks.Attention`.
        chained: whether each stage of a chain of mixtures reads the frames by layers of its own.
        heads: of attention.
        position_units: see `stacks.Attention`.
        dropout: share of the states that is dropped in training.

    Returns:
        A model from the named features, uint8 (B, T, D), and `frames`, int32 (B,), to
        probabilities, float32 (B, C).

    Raises:
        InputError: an argument is out of its range, or `chained` has no chain.
    """
    require_choice(stacks.StatesOrAttention, states=states)
    named = frames.named(features)
    x, count = frames.joined(named, sampling, normalize)
    x = stacks.Reversed(name="reversed")(x, count) if backwards else x
    stack = stacks.Stack(LSTM, units, layers)
    if chained:
        if not isinstance(head, ChainOfExperts) or states == "attention":
            raise InputError(
                "`chained` needs model.head=chain_moe and states other than attention."
            )
        kind = states

        def seen(stage: int) -> list[keras.KerasTensor]:
            y = replace(stack, prefix=f"stage_{stage}_").last(x, count, kind)
            return [keras.layers.Dropout(dropout)(y) if dropout else y]

        return keras.Model(named, head.chained(seen, classes), name="lstm")
    if states == "attention":
        attention = stacks.Attention(heads, position_units, sampling.places)
        x = attention(x, stack.sequence(x), count)
    else:
        x = stack.last(x, count, states)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    x = head(x, classes)
    x = stacks.BestHead(dtype="float32", name="best")(x) if states == "attention" else x
    return keras.Model(named, x, name="lstm")


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

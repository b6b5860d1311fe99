"""Checkpoints as TensorFlow 1 wrote them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

GOLDEN = Path(__file__).parent / "golden" / "models"


def golden_weights(name: str) -> dict[str, np.ndarray]:
    """The starter code's variables of a golden model, by their name in a checkpoint."""
    arrays = np.load(GOLDEN / f"{name}.head.npz")
    return {key.removeprefix("var:"): arrays[key] for key in arrays if key.startswith("var:")}


def write_checkpoint(prefix: Path, weights: Mapping[str, np.ndarray]) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(weights),
        shape_and_slices=[""] * len(weights),
        tensors=[tf.constant(values) for values in weights.values()],
    )

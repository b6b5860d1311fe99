"""How features are normalised: what `normalize` of a model means, for videos and for frames.

Rgb features are whitened: each value was divided by the standard deviation that it has in the
dataset, so that the values that vary least count as much as those that vary most. Un-whitening
multiplies it back. The 1,024 eigenvalues are those of the dataset's public PCA (yt8m_pca.tgz).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from keras import KerasTensor, ops
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.models.requirements import require_choice
from yt8m_exp.spec import InputError, Normalize, OutsideError

EIGENVALUES = Path(__file__).with_name("pca_eigenvalues.npy")
DIGEST = "7ae76209fa2d71e74a7b41d4f9a04b48d779b0277e61397f776aa582f3ea00f6"
"""SHA-256 of this file: saved models hold no copy of it."""
_PART = 0.3  # the best of 0.1, 0.2 ... 0.5: docs/ensembles.md
RGB_NAMES, AUDIO_NAMES = ("rgb", "mean_rgb"), ("audio", "mean_audio")


@dataclass(frozen=True)
class Normalization:
    """What a value of `normalize` does: `(x - shift) * factors` of rgb, then a length.

    Args:
        scaled: what is scaled to a length: `each` feature, the `joint` vector, or `none`.
        factors: of rgb, (1024,); None leaves it whitened.
        shift: is subtracted from rgb before.
        value: the root mean square of the values of a scaled feature, so that its length is this
            times the square root of its size; None: the length is one.
    """

    scaled: Literal["each", "joint", "none"]
    factors: NDArray[np.float32] | None = None
    shift: float = 0.0
    value: float | None = None

    def lengths(self, sizes: Sequence[int]) -> list[float]:
        """Returns the length that each feature of a size is scaled to."""
        return [1.0 if self.value is None else self.value * size**0.5 for size in sizes]

    @property
    def rgb_factors(self) -> NDArray[np.float32] | float:
        """What rgb is multiplied by."""
        return 1.0 if self.factors is None else self.factors

    def of_features(self, sizes: Sequence[int]) -> "Normalization":
        """Returns what is left of it for features of some sizes: without rgb, no un-whitening."""
        if self.factors is None or sizes[0] == len(self.factors):
            return self
        return replace(self, factors=None, shift=0.0)


def of(normalize: Normalize) -> Normalization:
    """Returns what a value of `normalize` does.

    * `each` gives every feature length one; `joint` the whole vector (the starter code's way, in
      which rgb outweighs audio); `none` leaves the values as they are.
    * `unwhiten` un-whitens rgb and leaves lengths as they are. Source: R. Lin et al., "NeXtVLAD",
      2018, https://arxiv.org/abs/1811.05014, section 4.1, and its code, which subtracts 4 / 512.
    * `unwhiten_each` un-whitens rgb, then scales every feature to the square root of its size.
    * `unwhiten_unit` does the same, divided by 32: rgb has length one, as with `each`.
    * `part_unwhiten_each` and `part_unwhiten_unit` take eigenvalues to the power 0.3, not 0.5.

    Raises:
        InputError: `normalize` is none of these.
        OutsideError: the file of eigenvalues is damaged.
    """
    require_choice(Normalize, normalize=normalize)
    if normalize == "unwhiten":
        return Normalization("none", np.sqrt(_eigenvalues()) + np.float32(1e-4), shift=4 / 512)
    if normalize.startswith(("unwhiten_", "part_unwhiten_")):
        power = np.float32(_PART if normalize.startswith("part_") else 0.5)
        value = spec.RGB**-0.5 if normalize.endswith("_unit") else 1.0
        return Normalization("each", (_eigenvalues() + np.float32(1e-4)) ** power, value=value)
    return Normalization(normalize)  # type: ignore[arg-type]  # the others are done


def require_fit(normalize: Normalize, features: Mapping[str, int]) -> Normalization:
    """Returns what `normalize` does to some features.

    Args:
        normalize: see `of`.
        features: sizes by name, in the order in which they are joined.

    Raises:
        InputError: `normalize` un-whitens, but features are not those of YouTube-8M.
    """
    found = of(normalize)
    rgb, *others = features
    known = features[rgb] == spec.RGB if rgb in RGB_NAMES else rgb in AUDIO_NAMES
    if found.factors is not None and not (known and set(others) <= set(AUDIO_NAMES)):
        raise InputError(
            f"`normalize={normalize}` un-whitens rgb of {spec.RGB} values beside audio, but the "
            f"features are {', '.join(f'{name} ({size})' for name, size in features.items())}. "
            "Set model.normalize=each."
        )
    return found.of_features([*features.values()])


def inverse_length(
    squares: Sequence[KerasTensor],
    normalization: Normalization,
    sizes: Sequence[int],
    epsilon: float = 1e-12,
) -> list[KerasTensor]:
    """Returns the factor that scales each feature to its length.

    Args:
        squares: the squared length of each feature, of any one shape.
        normalization: how it is scaled.
        sizes: the size of each feature.
        epsilon: the smallest squared length to divide by; a zero vector stays zero.
    """
    if normalization.scaled == "none":
        return [ops.ones_like(square) for square in squares]
    if normalization.scaled == "joint":
        squares = [sum(squares)] * len(squares)
    return [
        length * ops.rsqrt(ops.maximum(square, epsilon))
        for square, length in zip(squares, normalization.lengths(sizes), strict=True)
    ]


@cache
def _eigenvalues() -> NDArray[np.float32]:
    data = EIGENVALUES.read_bytes()
    if hashlib.sha256(data).hexdigest() != DIGEST:
        raise OutsideError(f"{EIGENVALUES} is damaged. Install yt8m_exp again.")
    return np.load(BytesIO(data), allow_pickle=False)

"""What the networks' outputs become in the release: whitened principal components, then bytes.

Source: feature_extractor.py of https://github.com/google/youtube-8m, and vggish_postprocess.py of
https://github.com/tensorflow/models/tree/master/research/audioset/vggish.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt8m_exp import spec

EPSILON = 1e-4
"""Added to eigenvalues before their root is taken."""
LARGEST = 2.0
"""Components are clipped to [-2, 2]."""


@dataclass(frozen=True)
class Whitening:
    """A projection onto principal components of variance 1.

    Args:
        mean: of the network's outputs, (D,).
        projection: float32 (D, K).
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    def __call__(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the components of outputs (T, D), float32 (T, K), not yet clipped."""
        return ((outputs - self.mean) @ self.projection).astype(np.float32)


def of_pictures(mean: NDArray, eigenvalues: NDArray, eigenvectors: NDArray) -> Whitening:
    """Returns the projection of Inception's outputs.

    Args:
        mean: the published `mean.npy`, (2048, 1).
        eigenvalues: the published `eigenvals.npy`, (2048, 1), falling.
        eigenvectors: the published `eigenvecs.npy`, (2048, 2048), one in each row.
    """
    kept = slice(spec.RGB)
    scale = np.sqrt(eigenvalues[kept, 0] + EPSILON)
    projection = eigenvectors.T[:, kept] / scale
    return Whitening(mean[:, 0].astype(np.float32), projection.astype(np.float32))


def of_sound(means: NDArray, eigenvectors: NDArray) -> Whitening:
    """Returns the projection of VGGish's outputs.

    Args:
        means: the published `pca_means`, (128, 1).
        eigenvectors: the published `pca_eigen_vectors`, (128, 128), scaled, one in each row.
    """
    return Whitening(means.reshape(-1).astype(np.float32), eigenvectors.T.astype(np.float32))


def quantised(components: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns components as the bytes of the release.

    A byte stands for an interval, and `spec.BYTE_OFFSET` for its middle: bytes are cut off, not
    rounded. The mean byte of the release's frames, 126.9 where rounding would give 127.5, agrees.
    """
    clipped = np.clip(components, -LARGEST, LARGEST)
    return ((clipped + LARGEST) * (255 / (2 * LARGEST))).astype(np.uint8)

"""From pictures and sound to the bytes of the release, a batch of seconds at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.spec import InputError
from yt8m_exp.videos.networks import inception, published, vggish, whitening
from yt8m_exp.videos.networks.whitening import Whitening, quantised

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Extractor:
    """Networks and what follows them. Threads may share it.

    Args:
        see: resized pictures (B, 299, 299, 3) to (B, 2048).
        whiten_pictures: what follows.
        hear: log-mel patches (B, 96, 64) to (B, 128).
        whiten_sound: what follows.
    """

    see: Network
    whiten_pictures: Whitening
    hear: Network
    whiten_sound: Whitening

    def rgb(self, pictures: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Returns the bytes of resized pictures, (B, 1024)."""
        return quantised(self.whiten_pictures(self.see(pictures)))

    def audio(self, patches: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Returns the bytes of patches of sound, (B, 128)."""
        return quantised(self.whiten_sound(self.hear(patches)))


def load(folder: Path) -> Extractor:
    """Loads the published networks from the files that `published.require` names.

    Raises:
        InputError: a file is missing or damaged, or holds something else.
    """
    see, hear = inception.build(), vggish.build()
    inception.load(see, constants(published.read(folder, published.GRAPH)))
    vggish.load(hear, _variables(folder / published.CHECKPOINT.name))
    size = inception.OUTPUTS
    pictures = whitening.of_pictures(
        published.array(folder, published.MEAN, (size, 1)),
        published.array(folder, published.EIGENVALUES, (spec.RGB, 1)),
        published.array(folder, published.EIGENVECTORS, (spec.RGB, size)),
    )
    shapes = {"pca_means": (spec.AUDIO, 1), "pca_eigen_vectors": (spec.AUDIO, spec.AUDIO)}
    sound = whitening.of_sound(*published.arrays(folder, published.SOUND_PCA, shapes))
    return Extractor(compiled(see), pictures, compiled(hear), sound)


def constants(data: bytes) -> dict[str, NDArray]:
    """Returns the constants of a frozen graph by name.

    Raises:
        InputError: it is no graph.
    """
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(data)
    except DecodeError as error:
        raise InputError(f"{published.GRAPH.name} is no graph: {error}.") from None
    return {
        node.name: tf.make_ndarray(node.attr["value"].tensor)
        for node in graph.node
        if node.op == "Const"
    }


def _variables(path: Path) -> Callable[[str], NDArray | None]:
    """Returns the variables of a checkpoint by name."""
    try:
        reader = tf.train.load_checkpoint(str(path))
    except (ValueError, tf.errors.OpError) as error:
        raise InputError(f"{path} is no checkpoint: {error}") from None
    return lambda name: reader.get_tensor(name) if reader.has_tensor(name) else None


def compiled(model: keras.Model) -> Network:
    """Returns a network as a function of arrays, which is traced once."""
    traced = tf.function(
        lambda values: model(values, training=False),
        input_signature=[tf.TensorSpec(model.input.shape, tf.float32)],
        autograph=False,
    )
    return lambda values: traced(tf.constant(values)).numpy()

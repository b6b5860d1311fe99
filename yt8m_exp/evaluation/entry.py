"""The entry of batches into a model: at its inputs, or after a mean that the reader computes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import keras
import tensorflow as tf

from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.means import MEAN, Means
from yt8m_exp.models.frames import MeanFrame
from yt8m_exp.models.normalization import Normalization
from yt8m_exp.models.sampling import AllFrames


class Entry:
    """A model that also takes the means of frames, if it uses nothing else.

    Args:
        model: takes features by name, returns probabilities (B, C).
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.means, self._behind = _split(model)

    def read(self, manifest: Manifest) -> Manifest:
        """Returns shards that load as means, if the model needs no more."""
        return replace(manifest, means=self.means)

    def names(self, batch: Iterable[str]) -> list[str]:
        """Returns the features of a batch that `predict` takes."""
        return [MEAN] if MEAN in batch else list(self.model.input)

    def predict(self, features: Mapping[str, tf.Tensor], *, training: bool) -> tf.Tensor:
        """Returns probabilities (B, C)."""
        if self._behind and MEAN in features:
            return self._behind(features[MEAN], training=training)
        return self.model(features, training=training)


def _split(model: keras.Model) -> tuple[Means | None, keras.Model | None]:
    """Returns the means that a model uses and the model after them, None if it uses more."""
    averaging = [layer for layer in model.layers if isinstance(layer, MeanFrame)]
    sampling = [layer for layer in model.layers if isinstance(layer, AllFrames)]
    if len(averaging) != 1 or len(sampling) != 1:
        return None, None
    try:
        behind = keras.Model(averaging[0].output, model.output)
    except ValueError:  # the output depends on other inputs, too
        return None, None
    sizes = [x.shape[-1] for name, x in model.input.items() if name != "frames"]
    found = averaging[0].normalization.of_features(sizes)
    return _means(found, sampling[0].max_frames), behind


def _means(found: Normalization, max_frames: int) -> Means:
    return Means(found.scaled, max_frames, found.shift, found.factors, found.value)

"""A model whose weights take half or a quarter of the bytes, in its file and in memory."""

from typing import Literal

import keras
from keras import ops

from yt8m_exp.models import frames
from yt8m_exp.models.requirements import require_choice

Precision = Literal["float32", "float16", "int8"]
_STEPS = 127  # of int8, from zero to the largest weight of a channel


def build(model: keras.Model, precision: Precision) -> keras.Model:
    """Builds a model that predicts as another, with weights of another precision.

    Args:
        model: from named features to probabilities.
        precision: of matrices and larger weights; `float16` rounds to 11 bits, `int8` to 127 steps
            of the largest weight of each channel, which is an index of the last axis. Vectors and
            integers stay as they are. `float32` returns the model itself.

    Returns:
        A model from the same features to probabilities, float32 (B, C). It cannot be trained.

    Raises:
        InputError: `precision` is none of these.
    """
    require_choice(Precision, precision=precision)
    if precision == "float32":
        return model
    named = {
        name: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
        for name, tensor in model.input.items()
    }
    layer = Compact(model, precision, name="compact", dtype="float32")
    small = keras.Model(named, layer(named), name=model.name)
    layer.take_weights(model)
    return small


class _Hidden:
    """Holds a model, so that Keras does not count and save its weights."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model


@keras.saving.register_keras_serializable("yt8m_exp")
class Compact(keras.layers.Layer):
    """Calls a model with weights that are restored from fewer bytes.

    Args:
        model: the model; only its form counts, see `take_weights`.
        precision: see `build`.
    """

    def __init__(self, model: keras.Model, precision: Precision, **layer) -> None:
        super().__init__(**layer)
        self._hidden, self.precision = _Hidden(model), precision
        if "frames" in model.input:
            self.max_frames = frames.max_frames(model)

    def build(self, shapes):
        # TensorFlow exports variables of flat lists alone.
        variables = self._hidden.model.variables
        self._kept = [self._weight(v.shape, self._dtype_of(v)) for v in variables]
        scaled = [v for v in variables if self._is_scaled(v)]
        self._scales = [self._weight(v.shape[-1:], "float32") for v in scaled]

    def _weight(self, shape, dtype):
        return self.add_weight(shape=shape, dtype=dtype, initializer="zeros", trainable=False)

    def _is_large(self, variable):
        return "float" in variable.dtype and len(variable.shape) > 1

    def _dtype_of(self, variable):
        return self.precision if self._is_large(variable) else variable.dtype

    def _is_scaled(self, variable):
        return self.precision == "int8" and self._is_large(variable)

    def take_weights(self, model: keras.Model) -> None:
        """Copies the weights of a model of the same form."""
        scales = iter(self._scales)
        for variable, kept in zip(model.variables, self._kept, strict=True):
            value = variable.value
            if self._is_scaled(variable):
                axes = tuple(range(len(variable.shape) - 1))
                scale = ops.max(ops.abs(value), axis=axes) / _STEPS
                next(scales).assign(scale)
                value = ops.round(value / ops.where(scale > 0, scale, 1.0))
            kept.assign(ops.cast(value, kept.dtype))

    def call(self, x):
        model, scales = self._hidden.model, iter(self._scales)
        restored = {
            id(variable): self._restored(variable, kept, scales)
            for variable, kept in zip(model.variables, self._kept, strict=True)
        }
        trainable = [restored[id(v)] for v in model.trainable_variables]
        others = [restored[id(v)] for v in model.non_trainable_variables]
        predictions, _ = model.stateless_call(trainable, others, x, training=False)
        return predictions

    def _restored(self, variable, kept, scales):
        value = ops.cast(kept.value, variable.dtype)
        return value * next(scales).value if self._is_scaled(variable) else value

    def compute_output_spec(self, x):
        return keras.KerasTensor(self._hidden.model.output.shape, dtype="float32")

    def get_config(self):
        model = keras.saving.serialize_keras_object(self._hidden.model)
        return super().get_config() | {"model": model, "precision": self.precision}

    @classmethod
    def from_config(cls, config):
        model = keras.saving.deserialize_keras_object(config["model"])
        return cls(**(config | {"model": model}))

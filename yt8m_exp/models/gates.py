"""Gates: layers that weigh each value of a vector (B, D) by what the whole vector says.

A model calls its gate as `gate(name="gate")(x)`: a file of `conf/gate/` gives the class with its
arguments.
"""

from collections.abc import Callable

import keras
from keras import ops

from yt8m_exp.models.batch_norm import BatchNorm
from yt8m_exp.models.requirements import require_positive
from yt8m_exp.spec import InputError

Gate = Callable[..., keras.layers.Layer]


@keras.saving.register_keras_serializable("yt8m_exp")
class NoGate(keras.layers.Layer):
    """Returns x as it is."""

    def call(self, x):
        return x


@keras.saving.register_keras_serializable("yt8m_exp")
class ContextGate(keras.layers.Layer):
    """Context gating: `x * sigmoid(norm(x W))`, with W (D, D).

    Source: A. Miech et al., "Learnable pooling with context gating for video classification", 2017,
    https://arxiv.org/abs/1706.06905, eq. 9.

    Args:
        batch_norm: whether the products are normalised; if false, they have a bias.
        remove_diagonal: whether a value has no say in its own gate.
    """

    def __init__(self, *, batch_norm: bool = True, remove_diagonal: bool = False, **layer) -> None:
        super().__init__(**layer)
        self.batch_norm = batch_norm
        self.remove_diagonal = remove_diagonal

    def build(self, shape):
        size = shape[-1]
        self.kernel = self.add_weight((size, size), _initializer(size), name="kernel")
        if self.batch_norm:
            self.norm = BatchNorm(name="norm")
            self.norm.build((size,))
        else:
            self.bias = self.add_weight((size,), "zeros", name="bias")

    def call(self, x, training=False):
        products = ops.matmul(x, self.kernel)
        if self.remove_diagonal:
            products = products - ops.diagonal(self.kernel) * x
        if self.batch_norm:
            products = self.norm.normalized(products, training=training)
        else:
            products = products + self.bias
        return x * ops.cast(ops.sigmoid(products), x.dtype)

    def get_config(self):
        return super().get_config() | {
            "batch_norm": self.batch_norm,
            "remove_diagonal": self.remove_diagonal,
        }


@keras.saving.register_keras_serializable("yt8m_exp")
class SEGate(keras.layers.Layer):
    """Squeeze and excitation: `x * sigmoid(relu(norm(x V)) W)`, with V (D, D / r) and W (D / r, D).

    Source: J. Hu et al., "Squeeze-and-excitation networks", 2017, https://arxiv.org/abs/1709.01507,
    eq. 3, with a normalisation as in NeXtVLAD.

    Args:
        reduction: r, how many values are squeezed to one.

    Raises:
        InputError: `reduction` is below 1, or above D when the layer is built.
    """

    def __init__(self, reduction: int, **layer) -> None:
        super().__init__(**layer)
        require_positive(reduction=reduction)
        self.reduction = reduction
        self.norm = BatchNorm(name="norm")

    def build(self, shape):
        size = shape[-1]
        squeezed = size // self.reduction
        if squeezed < 1:
            raise InputError(
                f"A gate must keep a value, but got reduction={self.reduction} of {size} values."
            )
        self.squeeze_kernel = self.add_weight((size, squeezed), "he_normal", name="squeeze_kernel")
        self.excite_kernel = self.add_weight((squeezed, size), "he_normal", name="excite_kernel")
        self.norm.build((squeezed,))

    def call(self, x, training=False):
        squeezed = ops.matmul(x, self.squeeze_kernel)
        squeezed = ops.relu(self.norm(squeezed, training=training))
        return x * ops.sigmoid(ops.matmul(squeezed, self.excite_kernel))

    def get_config(self):
        return super().get_config() | {"reduction": self.reduction}


@keras.saving.register_keras_serializable("yt8m_exp")
class ProbabilityGate(keras.layers.Layer):
    """Gates probabilities p (B, C): `p * sigmoid(norm(x W))`; x is p itself or features (B, D).

    It learns which classes exclude each other. Source: see `ContextGate`.

    Args:
        remove_diagonal: whether `diag(W) * p` is subtracted from the products: if x is p, a class
            then has no say in its own gate. Of features, it has no meaning, and needs D >= C;
            the original code has it.

    Raises:
        InputError: the diagonal of W is too short, when the layer is built.
    """

    def __init__(self, *, remove_diagonal: bool = False, **layer) -> None:
        super().__init__(**layer)
        self.remove_diagonal = remove_diagonal
        self.norm = BatchNorm(name="norm")

    def build(self, probabilities_shape, x_shape):
        classes, size = probabilities_shape[-1], x_shape[-1]
        if self.remove_diagonal and size < classes:
            raise InputError(
                "`remove_diagonal` needs as many features as classes, but got "
                f"{size} features and {classes} classes."
            )
        self.kernel = self.add_weight((size, classes), _initializer(classes), name="kernel")
        self.norm.build((classes,))

    def call(self, probabilities, x, training=False):
        products = ops.matmul(x, self.kernel)
        if self.remove_diagonal:
            products = products - ops.diagonal(self.kernel) * probabilities
        return probabilities * ops.sigmoid(self.norm.normalized(products, training=training))

    def get_config(self):
        return super().get_config() | {"remove_diagonal": self.remove_diagonal}


def _initializer(size: int) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=size**-0.5)

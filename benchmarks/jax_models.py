"""How close do models come to the matrix products they contain, with Keras on JAX?

    KERAS_BACKEND=jax python -m benchmarks.jax_models [model ...] [overrides ...]

Forward and backward through the model and its loss on random data that lie on the device, in
bfloat16. The limits are the bare products of the same sizes, forward and backward, and one large
product, in the same run and in turns. Neither TensorFlow nor the loop takes part: models, losses
and layers are written for any backend of Keras. Where this ran and what came out is in
docs/figures.md.
"""

import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import keras
import numpy as np
from hydra.utils import instantiate
from omegaconf import OmegaConf

from benchmarks import products, turns
from benchmarks.products import Product
from yt8m_exp import spec
from yt8m_exp.config import compose, groups

ROUNDS, TIMES = 5, 10
LABELS = 3
LARGE = 8192


def main() -> None:
    """Prints the table."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    words = sys.argv[1:]
    names = [word for word in words if "=" not in word] or list(groups.choices("model"))
    overrides = [word for word in words if "=" in word]
    compose.register_resolvers()
    large = _bare([Product(LARGE, LARGE, LARGE)])
    peak = Product(LARGE, LARGE, LARGE).operations / _seconds({"large": large})["large"]
    print(f"{jax.devices()[0].device_kind}: a large product runs at {peak / 1e12:.1f} TFLOP/s")
    columns = ("batch", "ms", "videos/s", "TFLOP/s", "of large", "of products")
    print(" " * 18 + "".join(f"{column:>12}" for column in columns))
    for name in names:
        try:
            _measure(name, overrides, peak)
        except Exception as error:
            print(f"{name:18}failed: {str(error).splitlines()[0][:150]}", flush=True)


def _measure(name: str, overrides: list[str], peak: float) -> None:
    framed = name in products.frame_level()
    cfg = compose.compose("train", [f"data={'frame' if framed else 'video'}", f"model={name}"])
    cfg.merge_with_dotlist(overrides)
    OmegaConf.resolve(cfg)
    model = instantiate(cfg.model, features=dict(cfg.data.features), classes=spec.CLASSES)
    found = products.of_model(cfg, model)
    took = _seconds({"step": _step(cfg, model), "products": _bare(found)})
    rate = sum(product.operations for product in found) / took["step"]
    shares = f"{rate / peak:12.2f}{took['products'] / took['step']:12.2f}"
    speed = f"{cfg.batch_size:12}{1e3 * took['step']:12.2f}{cfg.batch_size / took['step']:12,.0f}"
    print(f"{name:18}{speed}{rate / 1e12:12.1f}{shares}", flush=True)


def _seconds(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    return turns.seconds(works, times=TIMES, rounds=ROUNDS)


def _step(cfg, model: keras.Model) -> Callable[[], jax.Array]:
    """A forward and backward pass; what it returns depends on every gradient."""
    loss = instantiate(cfg.loss)
    batch, labels = jax.device_put(_batch(cfg))
    trained = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]

    def cost(trained, others, batch):
        predictions, _, added = model.stateless_call(
            trained, others, batch, training=True, return_losses=True
        )
        return loss(labels, predictions) + sum(added)

    @jax.jit
    def run(trained, others, batch):
        value, gradients = jax.value_and_grad(cost)(trained, others, batch)
        return value, gradients

    return lambda: run(trained, others, batch)[0]


def _batch(cfg):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, spec.CLASSES, (cfg.batch_size, LABELS), np.int32)
    sizes = cfg.data.features.items()
    if "sampling" not in cfg.model:
        return {name: rng.normal(size=(cfg.batch_size, n)).astype("f") for name, n in sizes}, labels
    shape = cfg.batch_size, cfg.model.sampling.max_frames
    batch = {name: rng.integers(0, 256, (*shape, size), np.uint8) for name, size in sizes}
    return {**batch, "frames": np.full(shape[:1], shape[1], np.int32)}, labels


def _bare(found: list[Product]) -> Callable[[], jax.Array]:
    """The products of a step, and nothing else, as one program."""
    keys = iter(jax.random.split(jax.random.key(0), 4 * len(found)))

    def normal(*shape: int) -> jax.Array:
        return jax.random.normal(next(keys), shape, jnp.bfloat16)

    given = [
        (
            normal(product.rows, product.inputs),
            normal(product.inputs, product.outputs),
            normal(product.rows * product.steps, product.inputs),
            normal(product.rows * product.steps, product.outputs),
        )
        for product in found
    ]

    @jax.jit
    def run(given):
        return [_one(product, *arrays) for product, arrays in zip(found, given, strict=True)]

    return lambda: run(given)[0][0].ravel()[0]


def _one(product: Product, x, kernel, all_rows, all_outputs):
    """The three products by a kernel; those of a recurrent one wait for each other."""

    def forward(rows, _):
        y = rows @ kernel
        back = y @ kernel.T if product.goes_back else rows
        return (back if product.steps > 1 else rows), (y, back)

    of_kernel = all_rows.T @ all_outputs
    if product.steps == 1:
        return of_kernel, forward(x, None)[1]
    return of_kernel, jax.lax.scan(forward, x, length=product.steps)[0]


if __name__ == "__main__":
    main()

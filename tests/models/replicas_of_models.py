"""Trains every model a little on replicas, in a process that has no TensorFlow yet."""

import os
import traceback
from pathlib import Path

import numpy as np

from tests.models import configured
from tests.models.configured import MODELS

VIDEOS, LENGTH, CLASSES, STEPS = 12, 6, 20, 2


def train(strategy, name: str, *, chance: bool = False) -> list[np.ndarray]:
    """Returns the weights of a model after a few steps.

    Args:
        strategy: the strategy.
        name: the model.
        chance: train with what differs by replica, chance and the norm of a batch; a model that
            has neither is not trained, and has no weights.
    """
    import keras

    from yt8m_exp.models.batch_norm import BatchNorm
    from yt8m_exp.training import losses, step

    sure = {
        "dropout": "dropout=0",
        "input_dropout": "input_dropout=0",
        "sampling": "sampling=stride",
        "batch_norm": "batch_norm=false",
    }
    keys = [] if chance else sure.keys() & configured.config(name).keys()
    features = {"rgb": 24, "audio": 8}
    configured.seed(0)
    with strategy.scope():
        words = ["normalize=each", *(sure[key] for key in keys)]
        model = configured.build_small(name, features, CLASSES, *words)
        norms = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNorm)]
        if chance and not norms and len(model.variables) == len(model.weights):
            return []  # weights are the variables without the states of chance
        for norm in norms:
            norm.trainable = chance  # frozen, it normalises by its averages
        optimizer = keras.optimizers.SGD(0.5)
        optimizer.build(model.trainable_variables)
    update = step.make(model, losses.cross_entropy, optimizer, strategy=strategy)
    for place in range(STEPS):
        update(batch(features, np.random.default_rng(place), "frames" in model.input), 0.5)
    return [variable.numpy() for variable in model.weights]


def batch(features, rng, frame_level: bool) -> dict[str, np.ndarray]:
    """Random videos, one of them without frames where they have any."""
    labels = {"labels": rng.integers(0, CLASSES, (VIDEOS, 2), np.int32)}
    if not frame_level:
        rows = {key: rng.normal(size=(VIDEOS, size)) for key, size in features.items()}
        return labels | {key: values.astype("f") for key, values in rows.items()}
    rows = {
        key: rng.integers(0, 256, (VIDEOS, LENGTH, size), np.uint8)
        for key, size in features.items()
    }
    frames = rng.integers(1, LENGTH + 1, VIDEOS).astype(np.int32)
    frames[3] = 0
    return labels | rows | {"frames": frames}


def all_models(strategy) -> dict[str, np.ndarray]:
    """Trains all models without what differs by replica."""
    return {
        f"{name}/{place}": weight
        for name in MODELS
        for place, weight in enumerate(train(strategy, name))
    }


def run_here(output: Path, environment: dict[str, str]) -> None:
    """Trains on two CPU devices and writes a file; with chance and norms, it has to be finite."""
    os.environ.update(environment)
    try:
        import tensorflow as tf

        from tests.training.several import two_devices

        strategy = two_devices()
        # Rewriting graphs costs more than the two steps that are then faster.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        found = all_models(strategy)
        tf.config.run_functions_eagerly(True)  # the same replicas without the time to trace again
        for name in MODELS:
            assert all(np.isfinite(weight).all() for weight in train(strategy, name, chance=True))
        np.savez(output, **found)
    except BaseException:
        output.with_suffix(".txt").write_text(traceback.format_exc())
        raise

"""Trains every model a little on replicas, in a process that has no TensorFlow yet."""

import os
import traceback
from pathlib import Path

import numpy as np

from yt8m_exp.config import compose

MODELS = sorted(path.stem for path in Path(compose.CONF, "model").glob("*.yaml"))
SMALL = {
    "dbof": {"clusters": 32, "hidden": 16, "samples": 4},
    "lstm": {"cells": 8},
    "gru": {"cells": 8},
}
VIDEOS, LENGTH, CLASSES, STEPS = 12, 6, 20, 3


def train(strategy, name: str, **options) -> list[np.ndarray]:
    """Returns the weights of a model after a few steps."""
    import keras
    from hydra.utils import get_method

    from yt8m_exp.training import losses, step

    options = (
        dict(compose.compose("train", [f"model={name}"]).model) | SMALL.get(name, {}) | options
    )
    make = get_method(options.pop("_target_"))
    features = {"rgb": 24, "audio": 8}
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = make(features=features, classes=CLASSES, **options)
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
    """Trains all models without what differs by replica: chance, and the norm of a batch."""
    found = {}
    for name in MODELS:
        sure = {"dropout": 0.0}
        sure |= {"sampling": "stride", "batch_norm": False} if name == "dbof" else {}
        for place, weight in enumerate(train(strategy, name, **sure)):
            found[f"{name}/{place}"] = weight
    return found


def run_here(output: Path, environment: dict[str, str]) -> None:
    """Trains on two CPU devices and writes a file; with chance and norms, it has to be finite."""
    os.environ.update(environment)
    try:
        from tests.training.several import two_devices

        strategy = two_devices()
        found = all_models(strategy)
        assert all(np.isfinite(weight).all() for weight in train(strategy, "dbof"))
        np.savez(output, **found)
    except BaseException:
        output.with_suffix(".txt").write_text(traceback.format_exc())
        raise

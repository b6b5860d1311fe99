"""Trains a small model as one of several replicas, in a process that has no TensorFlow yet."""

import os
import traceback
from pathlib import Path

import numpy as np

SAMPLE = Path(__file__).parents[2] / "sample" / "video" / "train" / "validate006*.tfrecord"
BATCH_SIZE, STEPS, SIZE, CLASSES = 48, 6, 128, 3862


def train(strategy, *, clip: float | None) -> dict[str, np.ndarray]:
    """Returns the weights and the training curve after a few steps on the sample."""
    import keras

    from tests.models import configured
    from yt8m_exp.data import pipeline, shards
    from yt8m_exp.data.tfrecords.records import Schema
    from yt8m_exp.training import cluster, losses, step
    from yt8m_exp.training.fit import Callbacks, Plan, TrainState, fit

    keras.utils.set_random_seed(0)
    with strategy.scope():
        words = ("head.initial_bias=-3", "normalize=each")
        model = configured.build("logistic", {"mean_audio": SIZE}, CLASSES, *words)
        optimizer = keras.optimizers.SGD(  # unlike Adam, it knows a gradient's length
            momentum=0.9, use_ema=True, ema_momentum=0.5
        )
        optimizer.build(model.trainable_variables)
    manifest = shards.scan(str(SAMPLE), Schema({"mean_audio": SIZE}, CLASSES))
    batches = pipeline.training_batches(
        manifest,
        BATCH_SIZE,
        pipeline.Shuffle(0),
        part=pipeline.Part(*cluster.place()),
    )
    update = step.make(
        model, losses.cross_entropy, optimizer, strategy=strategy, clip_to=step.Clip(clip)
    )
    curve = []
    fit(
        update,
        batches,
        TrainState(),
        Plan(BATCH_SIZE * STEPS, BATCH_SIZE, evaluate_every=10**9, log_every=BATCH_SIZE),
        lambda examples: 0.5,
        Callbacks(
            evaluate=lambda: {"gap": 0.0},
            save=lambda state, is_best: None,
            report=lambda metrics, examples: curve.append(metrics.get("train/loss")),
        ),
    )
    batches.close()
    kernel, bias = (np.asarray(value) for value in model.get_weights())
    with step.averaged(model, optimizer):
        average = np.asarray(model.get_weights()[0])
    return {"kernel": kernel, "bias": bias, "average": average, "curve": np.array(curve[:STEPS])}


def both(strategy) -> dict[str, np.ndarray]:
    """Trains with clipping and without, under names that tell."""
    runs = {"clipped": train(strategy, clip=0.3), "free": train(strategy, clip=None)}
    return {
        f"{run}/{name}": value for run, values in runs.items() for name, value in values.items()
    }


def run_here(kind: str, output: Path, environment: dict[str, str]) -> None:
    """Trains on two CPU `devices`, or as one of the `workers` of TF_CONFIG, and writes a file.

    With the weights goes its place: this process' number, that of all, and that of replicas.
    """
    os.environ.update(environment)
    try:
        from yt8m_exp.training import cluster, replicas

        strategy = two_devices() if kind == "devices" else replicas.strategy()
        place = np.array([*cluster.place(), strategy.num_replicas_in_sync])
        np.savez(output, place=place, **both(strategy))
    except Exception:
        output.with_suffix(".txt").write_text(traceback.format_exc())
        raise


def two_devices():
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

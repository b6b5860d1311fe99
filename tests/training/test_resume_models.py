"""Each frame-level model goes on from a checkpoint as if nothing had been."""

import itertools
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest

from tests.models import configured
from yt8m_exp.config import compose
from yt8m_exp.jobs.steps import recipe, sources
from yt8m_exp.jobs.steps.training import additions

CHANCE = (
    "model.sampling=random",
    "model.dropout=0.5",
    "ema_half_life=100",
    "augmentation={mixup: 0.3, noise: 0.1, half_video: 0.5, frame_dropout: 0.2}",
    "label_smoothing=0.1",
)
BATCH_SIZE, BEFORE, BEHIND = 5, 3, 3  # the end of an epoch of 14 videos lies on both sides
CLASSES = 100
"""Those of the models, for speed; the labels of the sample count modulo it."""


class Trained(NamedTuple):
    """All that training changes: where a process ended, at the end, and at that of another."""

    halfway: list[np.ndarray]
    straight: list[np.ndarray]
    resumed: list[np.ndarray]


@pytest.fixture(scope="module")
def process(store):
    """A process of its own, as determinism cannot be taken back; forked with TensorFlow loaded."""
    with ProcessPoolExecutor(1, get_context("forkserver")) as pool:
        yield pool


@pytest.fixture(scope="module", params=configured.FRAME_LEVEL)
def trained(request, process, tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp(request.param)
    return process.submit(train_and_resume, request.param, folder).result()


def train_and_resume(name: str, folder: Path) -> Trained:
    import tensorflow as tf

    from yt8m_exp.training.fit import TrainState

    # Rewriting graphs costs more than the few steps that are then faster.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    manager, go_on = begin(name, folder, seed=0)
    go_on(TrainState(), BEFORE)
    manager.save(TrainState(examples=BEFORE * BATCH_SIZE), is_best=False)
    halfway = manager.learner.values()
    go_on(TrainState(examples=BEFORE * BATCH_SIZE), BEHIND)

    fresh, go_on = begin(name, folder, seed=1)  # other weights and chances, unless restored
    go_on(fresh.restore(), BEHIND)
    return Trained(halfway, manager.learner.values(), fresh.learner.values())


def begin(name: str, folder: Path, *, seed: int):
    """A model of small sizes as `train` begins with it, and what takes steps on the sample."""
    from hydra.utils import instantiate

    from yt8m_exp.data import shards
    from yt8m_exp.data.pipeline import Shuffle, training_batches
    from yt8m_exp.training import step
    from yt8m_exp.training.checkpoint_manager import CheckpointManager

    words = [f"model={name}", "data=frame", "~data.features.rgb"]
    cfg = compose.compose("train", [*words, *CHANCE])
    configured.shrink(cfg.model)
    manifest = shards.scan(**sources.arguments(cfg, "train"))
    cfg.data.classes = CLASSES
    strategy = recipe.strategy(cfg)
    keras.utils.set_random_seed(seed)
    learner = recipe.learner(cfg, strategy)
    change = additions.change(cfg, learner)
    update = step.make(
        learner.model, instantiate(cfg.loss), learner.optimizer, strategy=strategy, change=change
    )

    def go_on(state, steps):
        batches = training_batches(manifest, BATCH_SIZE, Shuffle(0), start=state.examples)
        for batch in itertools.islice(batches, steps):
            labels = batch["labels"]
            update(batch | {"labels": np.where(labels < 0, labels, labels % CLASSES)}, 0.01)
        batches.close()

    return CheckpointManager(folder, learner, manifest.digest), go_on


def test_a_resumed_training_ends_as_one_that_went_on(trained):
    assert len(trained.resumed) == len(trained.straight)
    for resumed, straight in zip(trained.resumed, trained.straight, strict=True):
        np.testing.assert_array_equal(resumed, straight)


def test_what_was_kept_is_not_yet_what_training_ends_with(trained):
    moved = [
        not np.array_equal(before, after)
        for before, after in zip(trained.halfway, trained.straight, strict=True)
    ]
    assert sum(moved) > len(moved) / 2
    chance = [has for has, value in zip(moved, trained.halfway, strict=True) if value.shape == (2,)]
    assert sum(chance) >= 2  # those of the sample of frames and of dropout; others may be idle

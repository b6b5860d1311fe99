"""A model is one file and one YAML: here both are written, and nothing else is touched."""

import inspect
import shutil
import sys
import textwrap

import hydra
import pytest

from tests.models import configured, test_contract
from tests.models.test_contract import (  # noqa: F401  fixtures
    known,
    mixed_bfloat16,
    predicted,
    video_level,
    videos,
)
from yt8m_exp.config import compose

pytestmark = pytest.mark.slow
NAME = "largest_frame"
FILE = '''
    """A classifier on the largest value of each feature over the frames of a video."""

    import keras
    from keras import ops

    from yt8m_exp.models import frames


    @keras.saving.register_keras_serializable("tests")
    class Largest(keras.layers.Layer):
        def call(self, x, count):
            mask = frames.mask(x, count)[:, :, None]
            largest = ops.max(ops.where(mask, x, -1e9), axis=1)
            return ops.where(count[:, None] > 0, largest, 0.0)


    def build(features, classes, *, sampling, head, normalize, units):
        named = frames.named(features)
        x = Largest(name="largest")(*frames.joined(named, sampling, normalize))
        x = keras.layers.Dense(units, activation="tanh", name="hidden")(x)
        return keras.Model(named, head(x, classes), name="largest_frame")
'''
YAML = """
    # @package _global_
    # A classifier on the largest value of each feature.
    defaults:
      - /sampling@model.sampling: none
      - /head@model.head: logistic
      - _self_

    batch_size: 64
    model:
      _target_: largest_frame.build
      normalize: each
      units: 4096
"""


@pytest.fixture(scope="module", autouse=True)
def conf(tmp_path_factory):
    """A copy of `conf/` with the new model's YAML, and its file beside it."""
    folder = tmp_path_factory.mktemp("new_model")
    (folder / f"{NAME}.py").write_text(textwrap.dedent(FILE))
    shutil.copytree(compose.CONF, folder / "conf")
    (folder / "conf" / "model" / f"{NAME}.yaml").write_text(textwrap.dedent(YAML))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("YT8M_TARGETS", NAME)
        compose.register_resolvers()
        with hydra.initialize_config_dir(str(folder / "conf"), version_base="1.3"):
            yield folder
    sys.modules.pop(NAME, None)


@pytest.fixture
def name():
    return NAME


CONTRACT = [value for key, value in vars(test_contract).items() if key.startswith("test_")]


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check, request):
    values = {mark.args[0]: mark.args[1] for mark in getattr(check, "pytestmark", []) if mark.args}
    others = {key: values[key][0] for key in values if key != "name"}
    wanted = inspect.signature(check).parameters.keys() - others.keys()
    check(**others, **{key: request.getfixturevalue(key) for key in wanted})


def test_it_takes_a_step_of_training_with_another_head_and_sampler(conf):
    import numpy as np
    import tensorflow as tf
    from hydra.utils import instantiate

    from yt8m_exp.jobs.steps import recipe
    from yt8m_exp.training import step

    words = [f"model={NAME}", "data=frame", "model.head=moe", "model.sampling=random"]
    cfg = compose.compose("train", [*words, "~data.features.rgb", "deterministic=false"])
    assert cfg.batch_size == 64
    configured.shrink(cfg.model)
    learner = recipe.learner(cfg, tf.distribute.get_strategy())
    before = [weight.numpy() for weight in learner.model.trainable_variables]
    loss, strategy = instantiate(cfg.loss), tf.distribute.get_strategy()
    update = step.make(learner.model, loss, learner.optimizer, strategy=strategy)
    rng = np.random.default_rng(0)
    batch = {"audio": rng.integers(0, 256, (4, 6, 128), np.uint8)}
    batch |= {"frames": np.array([6, 3, 0, 1], np.int32), "labels": np.zeros((4, 1), np.int32)}
    update(batch, 0.1)
    after = [weight.numpy() for weight in learner.model.trainable_variables]
    assert not any(np.array_equal(*pair) for pair in zip(before, after, strict=True))

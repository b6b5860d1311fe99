"""A loss is one function and one YAML: here both are written, and nothing else is touched."""

import inspect
import shutil
import sys
import textwrap

import hydra
import numpy as np
import pytest
import tensorflow as tf
from hydra.utils import instantiate

from tests.models import configured
from tests.training import test_losses
from yt8m_exp.config import compose
from yt8m_exp.jobs.steps import recipe
from yt8m_exp.training import step
from yt8m_exp.training.losses import cross_entropy

pytestmark = pytest.mark.slow
NAME = "label_smoothing"
FILE = '''
    from yt8m_exp.training.losses import cross_entropy


    def label_smoothing(
        labels,
        predictions,
        *,
        shares=None,
        rated=None,
        label_weights=None,
        smoothing=0.1,
        epsilon=1e-5,
    ):
        """Returns the cross entropy with labels of 1 - smoothing / 2 and smoothing / 2."""
        counted = {"shares": shares, "rated": rated, "label_weights": label_weights}
        counted["epsilon"] = epsilon
        right = cross_entropy(labels, predictions, **counted)
        wrong = cross_entropy(labels, 1 - predictions, **counted)
        return (1 - smoothing / 2) * right + smoothing / 2 * wrong
'''
YAML = """
    # Cross entropy with labels that are not quite certain.
    _target_: label_smoothing.label_smoothing
    _partial_: true
    smoothing: 0.1
    epsilon: 1.0e-5
"""


@pytest.fixture(scope="module", autouse=True)
def conf(tmp_path_factory):
    """A copy of `conf/` with the new loss's YAML, and its function beside it."""
    folder = tmp_path_factory.mktemp("new_loss")
    (folder / f"{NAME}.py").write_text(textwrap.dedent(FILE))
    shutil.copytree(compose.CONF, folder / "conf")
    (folder / "conf" / "loss" / f"{NAME}.yaml").write_text(textwrap.dedent(YAML))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        compose.register_resolvers()
        with hydra.initialize_config_dir(str(folder / "conf"), version_base="1.3"):
            yield folder
    sys.modules.pop(NAME, None)


@pytest.fixture
def loss():
    return instantiate(compose.compose("train", [f"loss={NAME}"]).loss)


OF_EACH = [
    value
    for key, value in vars(test_losses).items()
    if key.startswith("test_") and "loss" in inspect.signature(value).parameters
]


@pytest.mark.parametrize("check", OF_EACH, ids=lambda check: check.__name__)
def test_it_is_as_all_losses_are(check, loss):
    others = inspect.signature(check).parameters.keys() - {"loss"}
    check(loss=loss, **dict.fromkeys(others, False))


def test_without_smoothing_it_is_the_cross_entropy(loss):
    labels, predictions = test_losses.made_up()
    ids = test_losses.ids(labels)
    assert loss(ids, predictions, smoothing=0.0) == cross_entropy(ids, predictions)
    assert loss(ids, predictions) != cross_entropy(ids, predictions)


def test_it_takes_a_step_of_training(loss):
    words = ("loss.smoothing=0.2", "deterministic=false", "model.normalize=each")
    cfg = compose.compose("train", [f"loss={NAME}", *words])
    assert cfg.loss.smoothing == 0.2
    configured.shrink(cfg.data.features)
    learner = recipe.learner(cfg, tf.distribute.get_strategy())
    before = [weight.numpy() for weight in learner.model.trainable_variables]
    strategy = tf.distribute.get_strategy()
    update = step.make(learner.model, loss, learner.optimizer, strategy=strategy)
    rng = np.random.default_rng(0)
    batch = {key: rng.normal(size=(4, 16)).astype("f") for key in cfg.data.features}
    assert np.isfinite(update(batch | {"labels": np.zeros((4, 1), np.int32)}, 0.1))
    after = [weight.numpy() for weight in learner.model.trainable_variables]
    assert not any(np.array_equal(*pair) for pair in zip(before, after, strict=True))

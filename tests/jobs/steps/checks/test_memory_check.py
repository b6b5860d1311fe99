import logging

import keras
import pytest
from omegaconf import OmegaConf
from tensorflow.python.framework.ops import gradient_registry

from tests.models.configured import shrink
from yt8m_exp.config import compose, groups
from yt8m_exp.data.pipeline import Shuffle, training_batches
from yt8m_exp.evaluation.entry import Entry
from yt8m_exp.jobs.steps import recipe
from yt8m_exp.jobs.steps.checks import memory_check
from yt8m_exp.jobs.steps.training import fitting
from yt8m_exp.spec import InputError
from yt8m_exp.training import step

GB = 1 << 30


def configured(*overrides, small=False):
    cfg = compose.compose("train", [*overrides, *(["data.classes=512"] if small else [])])
    OmegaConf.resolve(cfg)
    if small:
        shrink(cfg.model)
    strategy = recipe.strategy(cfg)
    learner = recipe.learner(cfg, strategy)
    return cfg, learner, strategy, fitting.update(cfg, learner, strategy)


@pytest.fixture(autouse=True)
def freed(request):
    """Frees the models that a test has traced, of which a graph would keep the weights.

    TensorFlow 2.21 keeps the gradients of `tf.custom_gradient` for good, and they their graph
    (tensorflow/tensorflow#97697, mended for later releases).
    """
    before = set(gradient_registry._registry)
    yield
    for name in set(gradient_registry._registry) - before:
        del gradient_registry._registry[name]
    is_small = "name" in request.fixturenames
    keras.backend.clear_session(free_memory=not is_small)  # which takes a fifth of a second


def of_model(name):
    model = compose.compose("train", [f"model={name}"]).model
    return [f"model={name}", f"data={'frame' if 'sampling' in model else 'video'}"]


@pytest.mark.slow  # each model is traced twice
@pytest.mark.parametrize("name", groups.choices("model"))
def test_the_estimate_of_every_model_grows_with_the_batch(name):
    cfg, learner, strategy, update = configured(*of_model(name), small=True)
    estimated = memory_check.estimator(cfg, learner, strategy, update)
    small, large = (estimated(size) for size in (1 << 17, 1 << 18))
    assert small.weights == large.weights > 0
    assert small.optimizer >= 2 * sum(v.numpy().nbytes for v in learner.model.trainable_variables)
    assert large.step / small.step == pytest.approx(2, rel=0.1)  # what is fixed is little there
    assert large.reading >= small.reading


def test_an_average_of_the_weights_is_counted():
    plain, averaged = (
        memory_check.estimator(*configured(*words))(8) for words in ([], ["ema_half_life=1000"])
    )
    assert averaged.optimizer - plain.optimizer == pytest.approx(plain.weights, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lstm", "dbof"])
def test_a_recipe_that_does_not_fit_is_refused_with_a_batch_that_does(model):
    experiment = f"experiment=starter_code_{model}"
    free = {"lstm": 24 * GB, "dbof": 4 * GB}[model]
    cfg, *built = configured(experiment)
    assert cfg.batch_size == 1024
    with pytest.raises(InputError, match="must fit the free memory") as refused:
        memory_check.require(cfg, *built, free=free)
    sentence = str(refused.value)
    assert "batch_size=1024 and 300 frames" in sentence
    remedy = sentence.split("Set batch_size=")[1].split(" ")[0]
    cfg.batch_size = int(remedy)
    assert 1 <= cfg.batch_size < 1024
    memory_check.require(cfg, *built, free=free)


@pytest.mark.slow
def test_what_fits_passes_in_silence(caplog):
    for words in ([], ["data=frame", "model=dbof"]):
        memory_check.require(*configured(*words), free=8 * GB)
    assert not caplog.records


def test_what_comes_near_is_warned_of(caplog):
    cfg, *built = configured("batch_size=64")
    estimate = memory_check.estimator(cfg, *built)(64)
    with caplog.at_level(logging.WARNING):
        memory_check.require(cfg, *built, free=estimate.step + estimate.reading)
    assert "may run out of memory" in caplog.text


def test_a_model_that_fits_with_no_batch_is_refused():
    with pytest.raises(InputError, match="Not even batch_size=1 fits"):
        memory_check.require(*configured("batch_size=2"), free=1 << 20)


def test_the_check_can_be_turned_off():
    memory_check.require(*configured("memory_check=false"), free=0)


@pytest.mark.slow
def test_estimating_trains_nothing():
    cfg, learner, strategy, update = configured("model=resnet_mlp")
    before = [value.copy() for value in learner.values()]
    memory_check.require(cfg, learner, strategy, update, free=64 * GB)
    assert all((a == b).all() for a, b in zip(before, learner.values(), strict=True))


def test_training_takes_the_step_that_was_traced(sample):
    cfg, learner, strategy, update = configured()
    memory_check.estimator(cfg, learner, strategy, update)(cfg.batch_size)
    batches = training_batches(Entry(learner.model).read(sample), cfg.batch_size, Shuffle(0))
    step.of_batches(learner.model, update, strategy)(next(batches), 0.01)
    batches.close()
    assert update.experimental_get_tracing_count() == 1

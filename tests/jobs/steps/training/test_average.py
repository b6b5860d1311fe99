from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tests.models import configured
from yt8m_exp.jobs.steps.training import average
from yt8m_exp.training.checkpoint_manager import CheckpointManager
from yt8m_exp.training.fit import TrainState
from yt8m_exp.training.learner import Learner
from yt8m_exp.training.recipes.averaging import Snapshots


def learner():
    """A model whose optimizer has moving averages, which are not those of checkpoints."""
    model = configured.build("logistic", {"mean_audio": 128}, 2)
    optimizer = keras.optimizers.SGD(use_ema=True)
    optimizer.build(model.trainable_variables)
    optimizer.apply([keras.ops.ones(v.shape) for v in model.trainable_variables])
    return Learner(model, optimizer)


@pytest.mark.parametrize(("before", "is_best"), [(0.5, True), (0.9, False)])
def test_the_average_becomes_the_best_model_if_it_scores_better(tmp_path, before, is_best):
    ours, reports = learner(), []
    manager = CheckpointManager(tmp_path, ours, "digest")
    manager.save_best()
    kept = Snapshots(tmp_path, "uniform", 2)
    shapes = [variable.shape for variable in ours.model.weights]
    for value, examples in ((1.0, 100), (2.0, 200)):
        kept.keep([np.full(shape, value, np.float32) for shape in shapes], examples, before)
    work = SimpleNamespace(manager=manager, report=lambda *point: reports.append(point))
    state = TrainState(examples=300, best_gap=before, best_examples=200)
    own = [weight.numpy() for weight in ours.model.weights]

    def score():
        return {"gap": 0.6 if float(ours.model.weights[0].numpy()[0, 0]) == 1.5 else 0.0}

    average.finish(work, state, kept, score)
    assert reports == [({"averaged/gap": 0.6}, 300)]
    assert state.best_gap == max(before, 0.6)
    assert state.best_examples == (300 if is_best else 200)
    best = keras.saving.load_model(manager.best, compile=False)
    assert np.all(best.weights[0].numpy() == 1.5) == is_best
    for weight, value in zip(ours.model.weights, own, strict=True):
        assert np.array_equal(weight.numpy(), value)

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import configured
from yt8m_exp.spec import InputError
from yt8m_exp.training import step
from yt8m_exp.training.checkpoint_manager import CheckpointManager
from yt8m_exp.training.fit import TrainState
from yt8m_exp.training.learner import Learner
from yt8m_exp.training.losses import cross_entropy

BATCH = {"x": np.eye(4, dtype=np.float32), "labels": np.array([[0], [1], [2], [-1]], np.int32)}


def learner(make="logistic", optimizer=keras.optimizers.Adam, steps=0, **options):
    model = configured.build(make, {"x": 4}, 3, "normalize=each", "dropout=0.5")
    built = optimizer(**options)
    built.build(model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    update = step.make(model, cross_entropy, built, strategy=strategy)
    for _ in range(steps):
        update(BATCH, 0.1)
    return Learner(model, built)


def assert_equal(one, other):
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_checkpoint_brings_everything_back(tmp_path):
    trained = learner(steps=3, use_ema=True)
    state = TrainState(
        examples=12, best_gap=0.5, best_examples=8, since_best=1, losses=2.5, steps=2
    )
    CheckpointManager(tmp_path, trained, "data").save(state, is_best=False)
    fresh = learner(use_ema=True)
    assert CheckpointManager(tmp_path, fresh, "data").restore() == state
    assert_equal(trained.values(), fresh.values())


def test_without_a_checkpoint_a_run_begins(tmp_path):
    assert CheckpointManager(tmp_path / "none", learner(), "data").restore() == TrainState()


def test_the_last_checkpoint_is_the_one_that_counts(tmp_path):
    manager = CheckpointManager(tmp_path, learner(steps=1), "data")
    for examples in (4, 8, 12):
        manager.save(TrainState(examples=examples), is_best=False)
    assert manager.restore().examples == 12


@pytest.mark.parametrize(
    "other",
    [{"make": "moe"}, {"optimizer": keras.optimizers.SGD}, {"use_ema": True}],
)
def test_a_checkpoint_of_another_model_or_optimizer_is_refused(tmp_path, other):
    CheckpointManager(tmp_path, learner(), "data").save(TrainState(), is_best=False)
    with pytest.raises(ValueError, match="must fit the model and the optimizer"):
        CheckpointManager(tmp_path, learner(**other), "data").restore()


def test_other_data_is_refused(tmp_path):
    CheckpointManager(tmp_path, learner(), "0123").save(TrainState(), is_best=False)
    with pytest.raises(ValueError, match=r"began with \(0123\).* digest 4567"):
        CheckpointManager(tmp_path, learner(), "4567").restore()


def test_files_are_told_as_they_are_written_the_model_first(tmp_path):
    written = []
    manager = CheckpointManager(tmp_path, learner(), "data", written.append)
    manager.save(TrainState(examples=4), is_best=True)
    manager.save(TrainState(examples=8), is_best=False)
    assert [path.name for path in written] == [
        "best.keras",
        "checkpoint-000000000004.npz",
        "checkpoint-000000000008.npz",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written}


def test_the_model_is_saved_with_its_averages(tmp_path):
    trained = learner(steps=3, use_ema=True, ema_momentum=0.9)
    before = trained.values()
    trained.save_model(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    with trained.averaged():
        assert_equal(trained.model.get_weights(), loaded.get_weights())
    assert_equal(trained.values(), before)
    assert not np.array_equal(trained.model.get_weights()[0], loaded.get_weights()[0])


def small(classes, *overrides):
    return configured.build_small("resnet_mlp", {"x": 4}, classes, *overrides)


@pytest.mark.parametrize(
    ("head", "new"),
    [
        ("logistic", ["classifier/bias", "classifier/kernel"]),
        ("moe", ["experts/bias", "experts/kernel", "gates/kernel"]),
    ],
)
def test_a_model_of_other_classes_gives_its_body(head, new):
    theirs, ours = small(7, f"head={head}"), small(3, f"head={head}")
    before = {variable.path: variable.numpy() for variable in ours.weights}
    assert Learner(ours, keras.optimizers.SGD()).take_weights(theirs) == new
    for old, variable in zip(theirs.weights, ours.weights, strict=True):
        expected = before[variable.path] if variable.path in new else old.numpy()
        assert np.array_equal(variable.numpy(), expected), variable.path
    assert len(ours.weights) > len(new)


def test_a_model_of_the_same_classes_gives_all_its_weights():
    theirs, ours = small(3), small(3)
    assert Learner(ours, keras.optimizers.SGD()).take_weights(theirs) == []
    assert_equal([v.numpy() for v in theirs.weights], [v.numpy() for v in ours.weights])


@pytest.mark.parametrize("other", [(3, "layers=1"), (7, "units=8"), (7, "head=moe")])
def test_a_model_that_differs_in_more_than_classes_gives_nothing(other):
    with pytest.raises(InputError, match="must start from a model with the same weights"):
        Learner(small(3), keras.optimizers.SGD()).take_weights(small(*other))

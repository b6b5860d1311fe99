import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import configured
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import Shuffle, training_batches
from yt8m_exp.training import step
from yt8m_exp.training.checkpoint_manager import CheckpointManager
from yt8m_exp.training.fit import Callbacks, Plan, TrainState, fit
from yt8m_exp.training.learner import Learner
from yt8m_exp.training.losses import cross_entropy

NEVER = 10**9
PLAN = Plan(examples=100, batch_size=10, evaluate_every=NEVER, log_every=NEVER)


class Recorder:
    """What the loop called, in order, with the examples seen then."""

    def __init__(self, gaps=(), stop=()):
        self.gaps, self.stops = iter(gaps), iter(stop)
        self.events, self.rates = [], []
        self.state = TrainState()

    def callbacks(self):
        return Callbacks(
            evaluate=lambda: {"gap": next(self.gaps, 0.0), "loss": 1.0},
            save=lambda state, best: self.events.append(("save", state.examples, best)),
            report=lambda metrics, examples: self.events.append((dict(metrics), examples)),
            progress=lambda state, loss: self.events.append(("step", state.examples)),
            stop=lambda: next(self.stops, False),
        )

    def run(self, plan, losses=(1.0,) * 100):
        losses = iter(losses)

        def update(batch, rate):
            self.rates.append(rate)
            return tf.constant(next(losses))

        batches = itertools.repeat({})
        return fit(update, batches, self.state, plan, lambda seen: seen / 10, self.callbacks())

    @property
    def saved(self):
        return [event[1:] for event in self.events if event[0] == "save"]

    def curve(self, name):
        points = [event for event in self.events if isinstance(event[0], dict)]
        return [(seen, metrics[name]) for metrics, seen in points if name in metrics]


def test_training_ends_where_the_plan_ends():
    run = Recorder()
    assert run.run(PLAN).why == "finished"
    assert run.state.examples == 100
    assert len(run.rates) == 10
    assert run.saved == [(100, True)]


def test_the_last_batch_may_reach_beyond_the_plan():
    run = Recorder()
    run.run(replace(PLAN, examples=95))
    assert run.state.examples == 100


def test_the_rate_is_that_of_the_examples_seen_before_the_step():
    run = Recorder()
    run.run(PLAN)
    assert run.rates == list(range(10))


def test_evaluations_come_every_so_many_examples_and_at_the_end():
    run = Recorder(gaps=[0.1, 0.3, 0.2, 0.25])
    run.run(replace(PLAN, evaluate_every=25))
    assert run.curve("val/gap") == [(30, 0.1), (50, 0.3), (80, 0.2), (100, 0.25)]
    assert run.saved == [(30, True), (50, True), (80, False), (100, False)]
    assert (run.state.best_gap, run.state.best_examples, run.state.since_best) == (0.3, 50, 2)


def test_points_of_the_curve_are_means_since_the_last():
    run = Recorder()
    run.run(replace(PLAN, log_every=30), losses=map(float, range(10)))
    assert run.curve("train/loss") == [(30, 1.0), (60, 4.0), (90, 7.0), (100, 9.0)]
    assert run.curve("learning_rate") == [(30, 2.0), (60, 5.0), (90, 8.0), (100, 9.0)]
    assert all(rate > 0 for _, rate in run.curve("train/examples_per_second"))


def test_a_point_of_the_curve_survives_a_resume():
    losses = [float(loss) for loss in range(10)]
    whole = Recorder()
    whole.run(replace(PLAN, log_every=50), losses)
    first = Recorder(stop=[False, False, True])
    assert first.run(replace(PLAN, log_every=50), losses).why == "interrupted"
    after = first.state.examples // 10
    second = Recorder()
    second.state = TrainState(**first.state.as_dict())
    second.run(replace(PLAN, log_every=50), losses[after:])
    assert first.curve("train/loss") == []
    assert second.curve("train/loss") == whole.curve("train/loss") == [(50, 2.0), (100, 7.0)]


@pytest.mark.parametrize(
    ("patience", "evaluations"), [(None, 10), (1, 4), (2, 7), (3, 8), (4, 9), (9, 10)]
)
def test_patience_is_the_evaluations_without_a_better_one_after_which_training_stops(
    patience, evaluations
):
    run = Recorder(gaps=[0.1, 0.2, 0.3, 0.3, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0])
    ending = run.run(replace(PLAN, evaluate_every=10, patience=patience))
    assert len(run.saved) == evaluations
    assert ending.why == ("finished" if evaluations == 10 else "stopped early")


def test_a_run_that_stopped_early_stays_stopped():
    plan = replace(PLAN, evaluate_every=10, patience=1)
    run = Recorder(gaps=[0.2, 0.1])
    assert run.run(plan).why == "stopped early"
    before = run.state.as_dict()
    assert run.run(plan).why == "stopped early"
    assert run.state.as_dict() == before
    assert run.run(replace(plan, patience=None)).why == "finished"


def test_a_run_whose_patience_ends_with_the_plan_is_finished():
    run = Recorder(gaps=[0.2, 0.1])
    assert run.run(replace(PLAN, evaluate_every=50, patience=1)).why == "finished"


@pytest.mark.parametrize("asked", range(9))
def test_stopping_ends_with_a_checkpoint_whenever_it_is_asked_for(asked):
    run = Recorder(stop=[*[False] * asked, *[True] * 100])
    assert run.run(replace(PLAN, evaluate_every=30)).why == "interrupted"
    assert run.saved[-1][0] == run.state.examples
    assert run.events[-1] == ("step", run.state.examples)


def test_stopping_at_the_last_step_is_finishing():
    run = Recorder(stop=itertools.repeat(True))
    assert run.run(replace(PLAN, examples=10)).why == "finished"
    assert run.curve("val/gap") == [(10, 0.0)]


def test_a_run_at_its_end_has_nothing_to_do():
    run = Recorder()
    run.state.examples = 100
    assert run.run(PLAN).why == "finished"
    assert run.events == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("plan", [{"log_every": 20}, {"evaluate_every": 20}, {"patience": 5}])
def test_a_loss_that_is_no_number_ends_the_run_and_is_not_saved(bad, plan):
    run = Recorder()
    losses = [1.0, 1.0, 1.0, bad, *[1.0] * 6]
    with pytest.raises(FloatingPointError, match=rf"is {bad} by .* examples.*learning_rate"):
        run.run(replace(PLAN, **plan), losses)
    assert all(examples <= 30 for examples, _ in run.saved)


def test_a_loss_that_is_no_number_is_not_saved_by_a_stop_or_by_time_either():
    for stop, seconds in (([False, False, True], 1e9), ((), 0.0)):
        run = Recorder(stop=stop)
        with pytest.raises(FloatingPointError):
            run.run(replace(PLAN, checkpoint_seconds=seconds), [1.0, float("nan"), *[1.0] * 9])
        assert all(examples <= 10 for examples, _ in run.saved)


def test_checkpoints_come_with_time_too():
    run = Recorder()
    run.run(replace(PLAN, checkpoint_seconds=0.0, evaluate_every=50))
    assert [examples for examples, _ in run.saved] == list(range(10, 101, 10))
    assert [examples for examples, best in run.saved if best] == [50]


def test_progress_knows_the_last_loss_fetched():
    seen = []
    state = TrainState()
    callbacks = replace(Recorder().callbacks(), progress=lambda state, loss: seen.append(loss))
    losses = iter(range(10))
    fit(
        lambda batch, rate: tf.constant(float(next(losses))),
        itertools.repeat({}),
        state,
        replace(PLAN, log_every=50),
        lambda examples: 0.1,
        callbacks,
    )
    assert seen == [None] * 4 + [4.0] * 5 + [9.0]


def trained(sample, folder, *, stops=(), examples=2000):
    """Trains on the sample, interrupted after so many steps each time; returns all it changed."""
    for stop in (*stops, None):
        keras.utils.set_random_seed(0)
        model = configured.build("logistic", {"mean_audio": 128}, 3862, "dropout=0.3")
        optimizer = keras.optimizers.Adam(use_ema=True, ema_momentum=0.9)
        optimizer.build(model.trainable_variables)
        manager = CheckpointManager(folder, Learner(model, optimizer), sample.digest)
        state = manager.restore()
        strategy = tf.distribute.get_strategy()
        update = step.make(model, cross_entropy, optimizer, strategy=strategy)
        batches = training_batches(sample, 50, Shuffle(7, 3 << 20), start=state.examples)
        points = []
        steps = itertools.count(1)
        ending = fit(
            update,
            batches,
            state,
            Plan(examples, 50, evaluate_every=700, log_every=300),
            lambda seen: 0.01 / (1 + seen / 1000),
            Callbacks(
                evaluate=lambda model=model: {"gap": -float(np.abs(model.get_weights()[0]).sum())},
                save=manager.save,
                report=lambda metrics, seen, points=points: points.append((seen, metrics)),
                stop=lambda steps=steps, stop=stop: stop is not None and next(steps) >= stop,
            ),
        )
        batches.close()
        assert ending.why == ("finished" if stop is None else "interrupted")
    return manager, state, points


@pytest.mark.slow
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(sample, tmp_path):
    """With dropout, moving averages and moments, over the end of an epoch."""
    audio = Manifest(
        sample.source, sample.shards, replace(sample.schema, features={"mean_audio": 128})
    )
    whole, state, points = trained(audio, tmp_path / "whole")
    parts, resumed, rest = trained(audio, tmp_path / "parts", stops=(3, 11, 17))
    assert audio.records < 2000
    assert resumed == state
    pairs = zip(whole.learner.values(), parts.learner.values(), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
    curve = {seen: metrics["train/loss"] for seen, metrics in points if "train/loss" in metrics}
    tail = {seen: metrics["train/loss"] for seen, metrics in rest if "train/loss" in metrics}
    assert tail
    assert tail.items() <= curve.items()
    best = [keras.saving.load_model(manager.best, compile=False) for manager in (whole, parts)]
    pairs = zip(*(model.get_weights() for model in best), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)

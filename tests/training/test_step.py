import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hydra.utils import instantiate

from tests.models import configured
from yt8m_exp.config import compose
from yt8m_exp.training import step
from yt8m_exp.training.losses import cross_entropy

TRACES = sorted((Path(__file__).parents[1] / "golden" / "training").glob("*.npz"))
FEATURES, CLASSES = 12, 9
NAMES = {
    "logistic": ("fully_connected/weights", "fully_connected/biases"),
    "moe": ("gates/weights", "experts/weights", "experts/biases"),
}


def ids(dense):
    width = max(int(dense.sum(axis=1).max()), 1)
    order = np.argsort(~dense, axis=1, kind="stable")[:, :width]
    return np.where(np.take_along_axis(dense, order, axis=1), order, -1).astype(np.int32)


def made_up(seed=0, videos=32):
    rng = np.random.default_rng(seed)
    labels = rng.random((videos, CLASSES)) < 0.3
    return {"x": rng.normal(size=(videos, FEATURES)).astype(np.float32), "labels": ids(labels)}


def built(optimizer, *overrides):
    keras.utils.set_random_seed(0)
    model = configured.build("logistic", {"x": FEATURES}, CLASSES, "normalize=each", *overrides)
    optimizer.build(model.trainable_variables)
    return model


def make(model, optimizer, **options):
    strategy = tf.distribute.get_strategy()
    return step.make(model, cross_entropy, optimizer, strategy=strategy, **options)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_twenty_steps_are_those_of_the_starter_code(path, jit_compile):
    """The shipped recipe takes the starter code's own steps, up to rounding."""
    trace = np.load(path)
    config = json.loads(str(trace["config"]))
    kind = path.stem.split("_")[0]
    cfg = compose.compose("train", ["experiment=starter_code"])
    words = (f"normalize={cfg.model.normalize}", f"head.l2={cfg.model.head.l2}")
    model = configured.build(kind, {"x": FEATURES}, CLASSES, *words)
    optimizer = instantiate(cfg.optimizer, learning_rate=0.0)
    optimizer.build(model.trainable_variables)
    schedule = instantiate(
        cfg.schedule,
        learning_rate=cfg.learning_rate,
        decay=config["learning_rate_decay"],
        decay_examples=config["learning_rate_decay_examples"],
    )
    names = [f"tower/{name}" for name in NAMES[kind]]
    model.set_weights([trace[f"init:{name}"] for name in names])
    update = step.make(
        model,
        instantiate(cfg.loss),
        optimizer,
        strategy=tf.distribute.get_strategy(),
        clip_to=step.Clip(**cfg.clip),
        jit_compile=jit_compile,
    )

    losses, rates, penalties = [], [], []
    for number, rows in enumerate(trace["batches"]):
        batch = {"x": trace["inputs"][rows], "labels": ids(trace["labels"][rows])}
        penalties.append(float(tf.add_n(model.losses)))
        losses.append(float(update(batch, schedule(number * config["batch_size"]))))
        rates.append(float(optimizer.learning_rate))

    np.testing.assert_allclose(losses, trace["label_loss"], rtol=1e-5)
    np.testing.assert_allclose(rates, trace["learning_rate"], rtol=1e-6)
    np.testing.assert_allclose(penalties, trace["reg_loss_unweighted"], rtol=1e-5)
    slots = {variable.path: variable.numpy() for variable in optimizer.variables}
    for name, variable in zip(names, model.trainable_variables, strict=True):
        final = trace[f"final:{name}"]
        np.testing.assert_allclose(variable.numpy(), final, atol=1e-5)
        for ending, slot in (("momentum", "Adam"), ("velocity", "Adam_1")):
            found = slots[f"{optimizer.name}/{variable.path.replace('/', '_')}_{ending}"]
            np.testing.assert_allclose(found, trace[f"slot:{name}/{slot}"], atol=1e-5)
    steps = int(optimizer.iterations)
    assert steps == int(trace["slot:global_step"])
    for beta, power in ((optimizer.beta_1, "beta1_power"), (optimizer.beta_2, "beta2_power")):
        assert beta ** (steps + 1) == pytest.approx(float(trace[f"slot:{power}"]), rel=1e-5)


def test_the_loss_is_that_before_the_update_without_regularisation():
    optimizer = keras.optimizers.SGD()
    model = built(optimizer, "head.l2=10")
    batch = made_up()
    expected = cross_entropy(batch["labels"], model({"x": batch["x"]}))
    np.testing.assert_allclose(make(model, optimizer)(batch, 0.1), expected, rtol=1e-6)


def test_regularisation_shortens_kernels_and_not_biases():
    batch, weights = made_up(), {}
    for l2 in (0.0, 1.0):
        optimizer = keras.optimizers.SGD()
        model = built(optimizer, f"head.l2={l2}")
        start = model.trainable_variables[0].numpy()
        make(model, optimizer)(batch, 0.1)
        weights[l2] = [variable.numpy() for variable in model.trainable_variables]
    np.testing.assert_allclose(weights[1.0][0], weights[0.0][0] - 0.1 * start, atol=1e-6)
    np.testing.assert_allclose(weights[1.0][1], weights[0.0][1], atol=1e-7)


def test_a_rate_of_zero_changes_no_weight():
    optimizer = keras.optimizers.SGD()
    model = built(optimizer)
    before = model.get_weights()
    make(model, optimizer)(made_up(), 0.0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("by", ["variable", "global"])
def test_clipping_bounds_the_step(by):
    optimizer = keras.optimizers.SGD()
    model = built(optimizer)
    before = model.get_weights()
    make(model, optimizer, clip_to=step.Clip(0.01, by))(made_up(), 1.0)
    lengths = [np.linalg.norm(b - a) for a, b in zip(before, model.get_weights(), strict=True)]
    if by == "variable":
        np.testing.assert_allclose(lengths, [0.01, 0.01], rtol=1e-4)
    else:
        np.testing.assert_allclose(np.linalg.norm(lengths), 0.01, rtol=1e-4)


def test_gradients_that_a_layer_joins_are_clipped_by_one_norm():
    model = configured.build("lstm", {"x": 3}, 4, "units=2", "layers=2")
    rng = np.random.default_rng(0)
    grads = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in model.trainable_variables]
    groups = step.clip_groups(model)
    assert sorted(groups) == [[0, 1], [2], [3, 4], [5], [6], [7], [8]]
    short = step.clipped(grads, step.Clip(0.1), groups)
    for group in groups:
        norm = np.sqrt(sum(np.sum(np.square(grads[place])) for place in group))
        for place in group:
            np.testing.assert_allclose(short[place], grads[place] * 0.1 / norm, rtol=1e-5)
    model.layers[-1].trainable = False
    model.get_layer("layer_0").trainable = False
    assert sorted(step.clip_groups(model))[:2] == [[0, 1], [2]]
    for one, other in zip(grads, step.clipped(grads, step.Clip(None), groups), strict=True):
        assert one is other


def test_repeated_label_ids_and_padding_change_nothing():
    batch, losses = made_up(), []
    padding = np.full((32, 2), -1, np.int32)
    others = np.concatenate([padding, batch["labels"][:, ::-1], batch["labels"]], axis=1)
    for labels in (batch["labels"], others):
        optimizer = keras.optimizers.SGD()
        update = make(built(optimizer), optimizer)
        losses.append([float(update(batch | {"labels": labels}, 0.1)) for _ in range(3)])
    assert losses[0] == losses[1]


def test_batches_of_any_width_of_labels_share_one_program():
    traces = []

    def loss(labels, predictions):
        traces.append(labels.shape)
        return cross_entropy(labels, predictions)

    optimizer = keras.optimizers.SGD()
    strategy = tf.distribute.get_strategy()
    update = step.make(built(optimizer), loss, optimizer, strategy=strategy)
    update(made_up(), 0.1)
    before = len(traces)
    for width in range(1, 14):
        update(made_up() | {"labels": np.full((32, width), -1, np.int32)}, 0.1)
    assert len(traces) == before


@pytest.mark.parametrize("jit_compile", [False, True])
def test_xla_compiles_the_update_where_it_is_asked_to(jit_compile):
    optimizer = keras.optimizers.SGD(1.0)
    model, strategy = built(optimizer), tf.distribute.get_strategy()
    words = {"strategy": strategy, "jit_compile": jit_compile}
    everywhere = step.compiled(model, cross_entropy, optimizer, **words)
    features, known = ({name: tf.constant(made_up()[name])} for name in ("x", "labels"))
    program = everywhere.get_concrete_function(features, known, tf.constant(0.5))
    functions = program.graph.as_graph_def().library.function
    compiled = [
        function.signature.name for function in functions if function.attr["_XlaMustCompile"].b
    ]
    assert any("update" in name for name in compiled) is jit_compile


def test_averages_stand_in_for_a_while_only():
    optimizer = keras.optimizers.SGD(use_ema=True, ema_momentum=0.5)
    model = built(optimizer)
    update = make(model, optimizer)
    seen = []
    for seed in range(4):
        update(made_up(seed), 0.5)
        seen.append(model.get_weights())
    with step.averaged(model, optimizer):
        averaged = model.get_weights()
    expected = seen[0]
    for weights in seen[1:]:
        expected = [0.5 * a + 0.5 * w for a, w in zip(expected, weights, strict=True)]
    for average, value in zip(averaged, expected, strict=True):
        np.testing.assert_allclose(average, value, atol=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), seen[-1], strict=True))


def test_weights_come_back_after_an_error_too():
    optimizer = keras.optimizers.SGD(use_ema=True, ema_momentum=0.9)
    model = built(optimizer)
    update = make(model, optimizer)
    update(made_up(0), 0.5)
    update(made_up(1), 0.5)
    before = model.get_weights()
    with pytest.raises(LookupError), step.averaged(model, optimizer):
        raise LookupError
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_before_the_first_step_there_is_no_average():
    optimizer = keras.optimizers.SGD(use_ema=True)
    model = built(optimizer)
    before = model.get_weights()
    with step.averaged(model, optimizer):
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_what_was_not_rated_does_not_move_a_weight(jit_compile):
    """Plain descent on the first three classes: all others keep their weights to the last bit."""
    optimizer = keras.optimizers.SGD()
    model = built(optimizer, "head.l2=0")
    before = model.get_weights()
    batch = made_up() | {"rated": np.tile(np.array([[2, 0, 1, -1]], np.int32), (32, 1))}
    predictions = model({"x": batch["x"]})
    loss = make(model, optimizer, jit_compile=jit_compile)(batch, 0.5)
    expected = cross_entropy(batch["labels"], predictions, rated=batch["rated"])
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert (old[..., :3] != new[..., :3]).all()
        assert np.array_equal(old[..., 3:], new[..., 3:])

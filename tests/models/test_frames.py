import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import configured
from tests.models.placed import devices_of_bytes
from yt8m_exp import spec
from yt8m_exp.data.videos import Frames
from yt8m_exp.models import devices, frames, sampling
from yt8m_exp.models.frames import Dequantize, MeanFrame
from yt8m_exp.models.normalization import EIGENVALUES as EIGENVALUES_FILE
from yt8m_exp.models.sampling import AllFrames, FrameSampler, SampledInTraining

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "readers" / "functions.head.npz")
EIGENVALUES = np.load(EIGENVALUES_FILE)
RNG = np.random.default_rng(0)
FRAMES = np.array([7, 3, 1, 0, 5], np.int32)


def videos(sizes=(6, 2), length=7):
    return [RNG.integers(0, 256, (len(FRAMES), length, size), dtype=np.uint8) for size in sizes]


def taken(x, indices):
    return np.take_along_axis(x, np.asarray(indices)[:, :, None], axis=1)


@pytest.mark.parametrize("samples", [1, 4, 9, 12])
def test_sampled_frames_are_those_of_the_starter_code(samples):
    count = GOLDEN["sample_num_frames"][:, 0].astype("i4")
    x = GOLDEN["sample_in"]
    uniforms = GOLDEN[f"sample_frames_k{samples}_u"]
    indices = sampling.random_indices(uniforms, count)
    assert np.array_equal(taken(x, indices), GOLDEN[f"sample_frames_k{samples}_out"])
    uniforms = GOLDEN[f"sample_sequence_k{samples}_u"]
    indices = sampling.run_indices(uniforms, count, samples)
    assert np.array_equal(taken(x, indices), GOLDEN[f"sample_sequence_k{samples}_out"])


def test_a_stride_takes_the_middle_of_equal_parts():
    indices = np.asarray(sampling.stride_indices(np.array([300, 10, 5, 2, 1, 0], "i4"), 5))
    assert indices.tolist() == [
        [30, 90, 150, 210, 270],
        [1, 3, 5, 7, 9],
        [0, 1, 2, 3, 4],
        [0, 0, 1, 1, 1],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_every_byte_becomes_the_number_of_the_starter_code():
    x = np.arange(256, dtype=np.uint8)[None, :, None]
    numbers = Dequantize("none")([x], np.array([256], "i4"))
    for key in ("dequantize_default", "dequantize_float32_graph"):
        np.testing.assert_allclose(numbers[0, :, 0], GOLDEN[key], atol=1e-6)


@pytest.mark.parametrize("length", [2, 4, 7])
def test_frames_are_cut_or_padded_as_those_of_the_starter_code(length):
    """Of its `resize_axis`, frames need the first axis and zeros alone."""
    rows = GOLDEN["resize_in"].astype(np.uint8)
    frames = Frames(rows.reshape(-1), np.array([0]), np.array([6]), 6)
    count = np.array([min(length, 4)])
    resized = frames.take(np.array([0]), count, length)
    assert np.array_equal(resized[0], GOLDEN[f"resize_axis0_to{length}_fill0"])


@pytest.mark.parametrize("normalize", ["each", "joint", "none"])
def test_padding_is_zero_and_frames_have_length_one(normalize):
    x = np.asarray(Dequantize(normalize)(videos(), FRAMES))
    here = np.arange(7) < FRAMES[:, None]
    assert x.shape == (5, 7, 8)
    assert (x[~here] == 0).all()
    if normalize == "joint":
        np.testing.assert_allclose(np.linalg.norm(x, axis=-1), here, atol=1e-6)
    if normalize == "each":
        np.testing.assert_allclose(np.linalg.norm(x[..., :6], axis=-1), here, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(x[..., 6:], axis=-1), here, atol=1e-6)


@pytest.mark.parametrize(
    ("normalize", "sizes"),
    [
        *itertools.product(("each", "joint", "none"), [(6, 2), (1024,), (1024, 128)]),
        *itertools.product(("unwhiten", "unwhiten_each", "unwhiten_unit"), [(1024,), (1024, 128)]),
    ],
)
def test_the_mean_frame_is_the_mean_of_the_frames(normalize, sizes):
    parts = videos(sizes)
    x = np.asarray(Dequantize(normalize)(parts, FRAMES), np.float64)
    mean = x.sum(axis=1) / np.maximum(FRAMES, 1)[:, None]
    found = MeanFrame(normalize)(parts, FRAMES)
    np.testing.assert_allclose(
        found, mean, rtol=1e-5, atol=1e-5 if "unwhiten" in normalize else 1e-6
    )


@pytest.mark.parametrize("normalize", ["unwhiten", "unwhiten_each"])
def test_frames_are_unwhitened_and_padding_stays_zero(normalize):
    rgb, audio = videos((1024, 128))
    x = np.asarray(Dequantize(normalize)([rgb, audio], FRAMES))
    here = (np.arange(7) < FRAMES[:, None])[:, :, None]
    numbers = rgb * spec.BYTE_SCALE + spec.BYTE_OFFSET
    if normalize == "unwhiten":  # as NeXtVLAD's reader
        expected = (numbers - 4 / 512) * (np.sqrt(EIGENVALUES) + 1e-4)
        sound = audio * spec.BYTE_SCALE + spec.BYTE_OFFSET
    else:
        expected = numbers * np.sqrt(EIGENVALUES + 1e-4)
        expected *= 32 / np.linalg.norm(expected, axis=-1, keepdims=True)
        sound = np.asarray(Dequantize("each")([audio], FRAMES)) * np.sqrt(128)
    np.testing.assert_allclose(x[..., :1024], expected * here, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(x[..., 1024:], sound * here, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["random", "run", "stride"])
def test_a_sample_has_frames_of_the_video_only(method):
    count = np.array([7, 3, 1], np.int32)
    x = np.broadcast_to(np.arange(9, dtype=np.uint8)[None, :, None], (3, 9, 1))
    sample = FrameSampler(method, 4, max_frames=6)
    for training in (False, True):
        (found,), kept = sample([x], count, training=training)
        assert found.shape == (3, 4, 1)
        assert np.asarray(kept).tolist() == [4, 4, 4]
        assert (np.asarray(found)[..., 0] < np.minimum(count, 6)[:, None]).all()


def test_a_run_follows_on():
    x = np.broadcast_to(np.arange(50, dtype=np.uint8)[None, :, None], (20, 50, 1))
    (found,), _ = FrameSampler("run", 4, max_frames=50)([x], np.full(20, 50, "i4"), training=True)
    assert (np.diff(np.asarray(found)[..., 0].astype(int), axis=1) == 1).all()
    assert len(set(np.asarray(found)[:, 0, 0])) > 5


def test_chance_acts_in_training_only_and_its_seed_is_a_variable():
    x, count = [np.arange(100, dtype=np.uint8).reshape(1, 100, 1)], np.array([100], "i4")
    sample = FrameSampler("random", 30, max_frames=100)
    assert np.array_equal(sample(x, count)[0][0], sample(x, count)[0][0])
    state = [variable.numpy() for variable in sample.variables]
    first, second = (np.asarray(sample(x, count, training=True)[0][0]) for _ in range(2))
    assert not np.array_equal(first, second)
    for variable, value in zip(sample.variables, state, strict=True):
        variable.assign(value)
    assert np.array_equal(sample(x, count, training=True)[0][0], first)


@pytest.mark.parametrize(("has_gpu", "device"), [(True, "/device:CPU:0"), (False, "")])
def test_frames_are_sampled_before_a_gpu_gets_them(has_gpu, device, monkeypatch):
    monkeypatch.setattr(devices, "has_gpu", lambda: has_gpu)
    sample = FrameSampler("random", 4, max_frames=6)
    spec_of = tf.TensorSpec((None, 7, 3), tf.uint8), tf.TensorSpec((None,), tf.int32)
    traced = tf.function(lambda x, count: sample([x], count, training=True))
    assert devices_of_bytes(traced.get_concrete_function(*spec_of)) == {device}


def test_all_videos_may_be_without_frames():
    parts, count = [np.zeros((2, 1, 3), np.uint8)], np.zeros(2, "i4")
    found = [AllFrames(max_frames=6)(parts, count)]
    for method in ("random", "run", "stride"):
        sample = FrameSampler(method, 4, max_frames=6)
        found += [sample(parts, count, training=training) for training in (False, True)]
    for bytes_, kept in found:
        assert not np.asarray(kept).any()
        assert not np.asarray(Dequantize("each")(bytes_, kept)).any()
        assert not np.asarray(MeanFrame("each")(bytes_, kept)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("even", 4, 6), "`method` must be random, run or stride, but got 'even'"),
        (("run", 0, 6), "`samples >= 1` must hold, but got samples=0"),
        (("run", 1, 0), "`max_frames >= 1` must hold, but got max_frames=0"),
    ],
)
def test_a_choice_out_of_its_range_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        FrameSampler(*arguments)


def test_all_frames_need_a_limit_above_zero():
    with pytest.raises(ValueError, match="`max_frames >= 1` must hold, but got max_frames=0"):
        AllFrames(0)


def test_inputs_are_bytes_and_their_count():
    inputs = frames.named({"audio": 128, "rgb": 1024})
    assert list(inputs) == ["rgb", "audio", "frames"]
    assert [tensor.shape for tensor in inputs.values()] == [
        (None, None, 1024),
        (None, None, 128),
        (None,),
    ]
    assert [tensor.dtype for tensor in inputs.values()] == ["uint8", "uint8", "int32"]
    assert isinstance(inputs["rgb"], keras.KerasTensor)


def test_frames_are_sampled_in_training_alone():
    parts = videos()
    layer = SampledInTraining(samples=4, max_frames=6)
    layer = SampledInTraining.from_config(layer.get_config())
    kept, count = layer(parts, FRAMES)
    assert np.array_equal(count, np.minimum(FRAMES, 6))
    assert all(np.array_equal(x, part[:, :6]) for x, part in zip(kept, parts, strict=True))
    kept, count = layer(parts, FRAMES, training=True)
    assert count.numpy().tolist() == [4, 4, 4, 0, 4]
    rows = [{frame.tobytes() for frame in part[0, :6]} for part in parts]
    seen = [{frame.tobytes() for frame in x.numpy()[0]} for x in kept]
    assert all(some <= known for some, known in zip(seen, rows, strict=True))


def test_a_model_sampled_in_training_alone_is_served_all_frames():
    words = ("sampling=random_in_training", "sampling.samples=2", "normalize=each")
    model = configured.build_small("dbof", {"x": 6}, 3, *words)
    plain = configured.build_small("dbof", {"x": 6}, 3, "sampling=none", "normalize=each")
    model.set_weights(plain.get_weights() + model.get_weights()[len(plain.weights) :])
    given = {"x": videos()[0], "frames": FRAMES}
    np.testing.assert_allclose(model(given), plain(given), atol=1e-6)
    assert model(given, training=True).shape == (5, 3)

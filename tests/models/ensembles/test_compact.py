import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import configured
from yt8m_exp.models import frames
from yt8m_exp.models.ensembles import compact
from yt8m_exp.spec import InputError

CLASSES = 300
LEVELS = {
    "resnet_mlp": {"mean_rgb": 64, "mean_audio": 8},
    "lstm": {"rgb": 64, "audio": 8},
}


@pytest.fixture(scope="module", params=LEVELS)
def model(request):
    configured.seed(0)
    return configured.build_small(request.param, LEVELS[request.param], CLASSES, "normalize=each")


@pytest.fixture(scope="module")
def videos(model):
    rng = np.random.default_rng(0)
    if "frames" not in model.input:
        return {name: rng.normal(size=(4, x.shape[-1])) for name, x in model.input.items()}
    shapes = {name: (4, 6, x.shape[-1]) for name, x in model.input.items() if name != "frames"}
    made = {name: rng.integers(0, 256, shape, np.uint8) for name, shape in shapes.items()}
    return made | {"frames": np.array([6, 3, 1, 0], np.int32)}


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "share", "error"), [("float16", 2, 1e-3), ("int8", 4, 2e-2)])
def test_a_smaller_file_predicts_almost_the_same(model, videos, tmp_path, precision, share, error):
    small = compact.build(model, precision)
    model.save(tmp_path / "whole.keras")
    small.save(tmp_path / "small.keras")
    sizes = [(tmp_path / f"{name}.keras").stat().st_size for name in ("whole", "small")]
    assert sizes[1] < sizes[0] / share + 60_000  # of the configuration
    loaded = keras.saving.load_model(tmp_path / "small.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(videos), small(videos))
    np.testing.assert_allclose(small(videos), model(videos), atol=error)
    assert np.abs(np.asarray(small(videos)) - np.asarray(model(videos))).max() > 0
    assert (small.name, list(small.input)) == (model.name, list(model.input))
    if "frames" in model.input:
        assert frames.max_frames(small) == frames.max_frames(model)


def test_int8_is_that_of_numpy():
    named = {"mean_rgb": keras.Input((3,), name="mean_rgb")}
    layer = keras.layers.Dense(2, use_bias=False)
    model = keras.Model(named, layer(named["mean_rgb"]))
    kernel = np.array([[1.0, -0.02], [0.5, 0.01], [-0.3, 0.0]], np.float32)
    layer.kernel.assign(kernel)
    scales = np.array([1.0, 0.02]) / 127  # the largest weight of each channel
    expected = np.rint(kernel / scales) * scales
    small = compact.build(model, "int8")
    np.testing.assert_allclose(small({"mean_rgb": np.eye(3)}), expected, rtol=1e-5)


@pytest.mark.slow
def test_a_saved_model_is_small_too(model, videos, tmp_path):
    module = tf.Module()
    module.model = compact.build(model, "int8")
    features = [tf.TensorSpec(x.shape, x.dtype, name) for name, x in model.input.items()]
    names = list(model.input)

    @tf.function(input_signature=features)
    def serve(*values):
        return module.model(dict(zip(names, values, strict=True)), training=False)

    tf.saved_model.save(module, str(tmp_path), signatures=serve)
    stored = sum(file.stat().st_size for file in (tmp_path / "variables").iterdir())
    assert stored < model.count_params() * 1.5 + 20_000
    given = {name: tf.cast(videos[name], x.dtype) for name, x in model.input.items()}
    answer = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](**given)
    np.testing.assert_allclose(next(iter(answer.values())), module.model(given), atol=1e-6)


def test_float32_is_the_model_itself(model):
    assert compact.build(model, "float32") is model
    with pytest.raises(InputError, match="float16 or int8, but got 'int4'"):
        compact.build(model, "int4")  # type: ignore[arg-type]

import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.videos import fakes
from yt8m_exp.spec import InputError, MissingInputError
from yt8m_exp.videos.networks import extractor, inception, mel, published, resizing, vggish

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [(120, 200), (299, 299), (1, 7), (720, 405)])
def test_pictures_are_resized_as_the_graph_does(size):
    picture = RNG.integers(0, 256, (*size, 3), np.uint8)
    expected = tf.raw_ops.ResizeBilinear(images=picture[None].astype(np.float32), size=[299, 299])
    assert resizing.resized(picture) == pytest.approx(expected.numpy()[0], abs=2e-3)
    assert resizing.resized(picture).dtype == np.float32


def test_the_network_is_the_published_graph(networks, inception_graph):
    pictures = RNG.integers(0, 256, (2, 90, 160, 3), np.uint8)
    found = networks.see(np.stack([resizing.resized(picture) for picture in pictures]))
    for picture, output in zip(pictures, found, strict=True):
        assert output == pytest.approx(fakes.run(inception_graph, picture), rel=1e-3, abs=1e-4)


def test_sound_goes_through_the_variables_of_the_checkpoint(networks):
    patches = RNG.normal(size=(2, mel.PATCH, mel.BANDS)).astype(np.float32)
    values, x = fakes.vggish_variables(), patches[..., None]
    for name in (
        "conv1",
        "conv2",
        "conv3/conv3_1",
        "conv3/conv3_2",
        "conv4/conv4_1",
        "conv4/conv4_2",
    ):
        x = tf.nn.conv2d(x, values[f"vggish/{name}/weights"], 1, "SAME")
        x = tf.nn.relu(x + values[f"vggish/{name}/biases"])
        if not name.endswith(("3_1", "4_1")):
            x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    x = tf.reshape(x, [2, -1])
    for name in ("fc1/fc1_1", "fc1/fc1_2", "fc2"):
        x = x @ values[f"vggish/{name}/weights"] + values[f"vggish/{name}/biases"]
        x = x if name == "fc2" else tf.nn.relu(x)
    assert networks.hear(patches) == pytest.approx(x.numpy(), rel=1e-3, abs=1e-3)


def test_what_comes_out_are_bytes(networks):
    pictures = RNG.uniform(0, 255, (2, 299, 299, 3)).astype(np.float32)
    patches = RNG.normal(size=(3, mel.PATCH, mel.BANDS)).astype(np.float32)
    rgb, audio = networks.rgb(pictures), networks.audio(patches)
    assert (rgb.dtype, rgb.shape) == (np.uint8, (2, 1024))
    assert (audio.dtype, audio.shape) == (np.uint8, (3, 128))


def test_missing_files_are_named_with_the_command_that_fetches_them(extractor_files, tmp_path):
    with pytest.raises(MissingInputError, match="yt8m download partition=extractor") as refused:
        published.require(tmp_path)
    assert "inception-2015-12-05.tgz, yt8m_pca.tgz, vggish_model.ckpt" in str(refused.value)
    for name in ("inception-2015-12-05.tgz", "yt8m_pca.tgz", "vggish_pca_params.npz"):
        shutil.copy(extractor_files / name, tmp_path)
    with pytest.raises(MissingInputError, match=r"but vggish_model\.ckpt is not in"):
        published.require(tmp_path)


def test_unpacked_files_go_first(extractor_files, tmp_path):
    np.save(tmp_path / "mean.npy", np.ones((2048, 1)))
    shutil.copy(extractor_files / "yt8m_pca.tgz", tmp_path)
    assert published.array(tmp_path, published.MEAN, (2048, 1)).max() == 1
    values = published.array(tmp_path, published.EIGENVALUES, (1024, 1))
    assert values.shape == (2048, 1)


def test_damaged_files_are_named(extractor_files, tmp_path):
    data = (extractor_files / "yt8m_pca.tgz").read_bytes()
    (tmp_path / "yt8m_pca.tgz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"yt8m_pca\.tgz is damaged"):
        published.read(tmp_path, published.EIGENVECTORS)
    (tmp_path / "mean.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read"):
        published.array(tmp_path, published.MEAN, (2048, 1))
    with pytest.raises(InputError, match="must have the shape"):
        published.array(extractor_files, published.MEAN, (2048, 2))
    with pytest.raises(InputError, match="is no graph"):
        extractor.constants(b"\xff" * 100)


def test_a_weight_that_is_missing_or_of_another_shape_is_named(inception_graph):
    found = extractor.constants(inception_graph.SerializeToString())
    name = "mixed_9/tower_1/mixed/conv_1/conv2d_params"
    model = inception.build()
    with pytest.raises(InputError, match=name + ".*it is missing"):
        inception.load(model, {key: value for key, value in found.items() if key != name})
    with pytest.raises(InputError, match=r"conv/batchnorm/beta.*has the shape \(3,\)"):
        inception.load(model, found | {"conv/batchnorm/beta": np.zeros(3)})
    with pytest.raises(InputError, match="vggish/conv1/weights"):
        vggish.load(vggish.build(), lambda name: None)

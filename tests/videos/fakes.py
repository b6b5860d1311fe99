"""The published files with made-up weights: the same names and shapes, in the same formats."""

import io
import tarfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from yt8m_exp import spec

PCA = 2048
_RAW = tf.raw_ops


class Graph:
    """Writes the graph of Inception op by op, as the published one lists them.

    It is written from the paper's tables, and shares no line with what it checks.
    """

    def __init__(self, seed: int = 0):
        self._rng = np.random.default_rng(seed)

    def build(self) -> tf.compat.v1.GraphDef:
        with tf.Graph().as_default() as graph:
            image = tf.compat.v1.placeholder(tf.uint8, [None, None, 3], name="DecodeJpeg")
            x = tf.expand_dims(tf.cast(image, tf.float32), 0, name="ExpandDims")
            x = _RAW.ResizeBilinear(images=x, size=[299, 299], name="ResizeBilinear")
            x = tf.multiply(tf.subtract(x, 128.0, name="Sub"), 0.0078125, name="Mul")
            x = self.conv(x, "conv", 32, 3, 3, 2, "VALID")
            x = self.conv(x, "conv_1", 32, 3, 3, 1, "VALID")
            x = self.conv(x, "conv_2", 64, 3, 3)
            x = pool(x, "max", 2, "VALID")
            x = self.conv(x, "conv_3", 80, 1, 1, 1, "VALID")
            x = self.conv(x, "conv_4", 192, 3, 3, 1, "VALID")
            x = pool(x, "max", 2, "VALID")
            for block, pooled in (("mixed", 32), ("mixed_1", 64), ("mixed_2", 64)):
                x = self.first(x, block, pooled)
            x = self.shrink_first(x)
            for number, units in ((4, 128), (5, 160), (6, 160), (7, 192)):
                x = self.second(x, f"mixed_{number}", units)
            x = self.shrink_second(x)
            x = self.third(x, "mixed_9", "avg")
            x = self.third(x, "mixed_10", "max")
            x = tf.nn.avg_pool2d(x, 8, 1, "VALID", name="pool_3")
            tf.reshape(x, [-1, 2048], name="pool_3/_reshape")
            return graph.as_graph_def()

    def conv(self, x, name, units, height, width, stride=1, padding="SAME"):
        inputs = x.shape[-1]
        scale = np.sqrt(2 / (height * width * inputs))
        kernel = self._rng.normal(0, scale, (height, width, inputs, units)).astype(np.float32)
        kernel = tf.constant(kernel, name=f"{name}/conv2d_params")
        x = tf.nn.conv2d(x, kernel, stride, padding, name=f"{name}/Conv2D")
        parts = {
            "beta": self._rng.normal(0, 0.1, units),
            "gamma": self._rng.uniform(2, 3, units),  # the graph does not scale by it
            "moving_mean": self._rng.normal(0, 0.1, units),
            "moving_variance": self._rng.uniform(0.5, 1.5, units),
        }
        beta, _, mean, variance = (
            tf.constant(value.astype(np.float32), name=f"{name}/batchnorm/{part}")
            for part, value in parts.items()
        )
        x = tf.nn.batch_normalization(x, mean, variance, beta, None, 0.001)
        return tf.nn.relu(x, name=name)

    def first(self, x, block, pooled):
        def conv(x, name, units, size):
            return self.conv(x, f"{block}/{name}", units, size, size)

        five = conv(conv(x, "tower/conv", 48, 1), "tower/conv_1", 64, 5)
        three = conv(conv(x, "tower_1/conv", 64, 1), "tower_1/conv_1", 96, 3)
        three = conv(three, "tower_1/conv_2", 96, 3)
        means = conv(pool(x, "avg"), "tower_2/conv", pooled, 1)
        return tf.concat([conv(x, "conv", 64, 1), five, three, means], 3, name=f"{block}/join")

    def shrink_first(self, x):
        tower = self.conv(x, "mixed_3/tower/conv", 64, 1, 1)
        tower = self.conv(tower, "mixed_3/tower/conv_1", 96, 3, 3)
        tower = self.conv(tower, "mixed_3/tower/conv_2", 96, 3, 3, 2, "VALID")
        big = self.conv(x, "mixed_3/conv", 384, 3, 3, 2, "VALID")
        return tf.concat([big, tower, pool(x, "max", 2, "VALID")], 3)

    def second(self, x, block, units):
        seven = self.conv(x, f"{block}/tower/conv", units, 1, 1)
        seven = self.conv(seven, f"{block}/tower/conv_1", units, 1, 7)
        seven = self.conv(seven, f"{block}/tower/conv_2", 192, 7, 1)
        twice = self.conv(x, f"{block}/tower_1/conv", units, 1, 1)
        twice = self.conv(twice, f"{block}/tower_1/conv_1", units, 7, 1)
        twice = self.conv(twice, f"{block}/tower_1/conv_2", units, 1, 7)
        twice = self.conv(twice, f"{block}/tower_1/conv_3", units, 7, 1)
        twice = self.conv(twice, f"{block}/tower_1/conv_4", 192, 1, 7)
        means = self.conv(pool(x, "avg"), f"{block}/tower_2/conv", 192, 1, 1)
        return tf.concat([self.conv(x, f"{block}/conv", 192, 1, 1), seven, twice, means], 3)

    def shrink_second(self, x):
        one = self.conv(x, "mixed_8/tower/conv", 192, 1, 1)
        one = self.conv(one, "mixed_8/tower/conv_1", 320, 3, 3, 2, "VALID")
        two = self.conv(x, "mixed_8/tower_1/conv", 192, 1, 1)
        two = self.conv(two, "mixed_8/tower_1/conv_1", 192, 1, 7)
        two = self.conv(two, "mixed_8/tower_1/conv_2", 192, 7, 1)
        two = self.conv(two, "mixed_8/tower_1/conv_3", 192, 3, 3, 2, "VALID")
        return tf.concat([one, two, pool(x, "max", 2, "VALID")], 3)

    def third(self, x, block, kind):
        one = self.conv(x, f"{block}/tower/conv", 384, 1, 1)
        two = self.conv(x, f"{block}/tower_1/conv", 448, 1, 1)
        two = self.conv(two, f"{block}/tower_1/conv_1", 384, 3, 3)
        halves = [
            self.conv(tower, f"{block}/{name}/mixed/{part}", 384, *size)
            for tower, name in ((one, "tower"), (two, "tower_1"))
            for part, size in (("conv", (1, 3)), ("conv_1", (3, 1)))
        ]
        pooled = self.conv(pool(x, kind), f"{block}/tower_2/conv", 192, 1, 1)
        return tf.concat([self.conv(x, f"{block}/conv", 320, 1, 1), *halves, pooled], 3)


def pool(x, kind, stride=1, padding="SAME"):
    function = tf.nn.max_pool2d if kind == "max" else tf.nn.avg_pool2d
    return function(x, 3, stride, padding)


def run(graph: tf.compat.v1.GraphDef, picture: np.ndarray) -> np.ndarray:
    """Runs a graph as the starter code's extractor does."""
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
        with tf.compat.v1.Session(graph=imported) as session:
            found = session.run("pool_3/_reshape:0", {"DecodeJpeg:0": picture})
    return found[0]


def vggish_variables(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {
        "conv1": (3, 3, 1, 64),
        "conv2": (3, 3, 64, 128),
        "conv3/conv3_1": (3, 3, 128, 256),
        "conv3/conv3_2": (3, 3, 256, 256),
        "conv4/conv4_1": (3, 3, 256, 512),
        "conv4/conv4_2": (3, 3, 512, 512),
        "fc1/fc1_1": (12288, 4096),
        "fc1/fc1_2": (4096, 4096),
        "fc2": (4096, 128),
    }
    found = {}
    for name, shape in shapes.items():
        scale = np.float32(np.sqrt(2 / np.prod(shape[:-1])))
        few = rng.standard_normal(min(np.prod(shape), 65_521), np.float32) * scale
        found[f"vggish/{name}/weights"] = np.resize(few, shape)
        found[f"vggish/{name}/biases"] = rng.standard_normal(shape[-1:], np.float32) * 0.1
    return found


def write(folder: Path, graph: tf.compat.v1.GraphDef | None = None) -> Path:
    """Writes all files; the mean and the eigenvalues of the PCA are the published ones."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = graph or Graph().build()
    _archive(
        folder / "inception-2015-12-05.tgz",
        {"classify_image_graph_def.pb": graph.SerializeToString(), "LICENSE": b"Apache"},
    )
    _archive(folder / "yt8m_pca.tgz", {f"{n}.npy": _npy(a) for n, a in pca().items()})
    write_checkpoint(folder / "vggish_model.ckpt", vggish_variables())
    np.savez(folder / "vggish_pca_params.npz", **sound_pca())
    return folder


def write_checkpoint(path: Path, values: dict[str, np.ndarray]) -> None:
    """Writes a checkpoint of the first format, as the published one: a single file."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        for name, value in values.items():
            start = v1.placeholder(tf.float32, value.shape)
            variable = v1.Variable(start, name=name, use_resource=False)
            session.run(variable.initializer, {start: value})  # a constant would be folded: slow
        saver = v1.train.Saver(write_version=v1.train.SaverDef.V1)
        saver.save(session, str(path), write_meta_graph=False)


def pca() -> dict[str, np.ndarray]:
    """A PCA of pictures: eigenvectors by swapping, turning and mirroring axes."""
    rng = np.random.default_rng(1)
    mean = rng.uniform(0.1, 0.6, (PCA, 1)).astype(np.float32)
    values = np.geomspace(14.74, 1e-4, PCA).astype(np.float32)[:, None]
    vectors = np.eye(PCA, dtype=np.float32)[rng.permutation(PCA)]
    signs = rng.choice([-1, 1], PCA).astype(np.float32)
    vectors = (vectors * signs)[:, rng.permutation(PCA)]
    half = np.float32(np.sqrt(0.5))
    first, second = vectors[0::2].copy(), vectors[1::2].copy()
    vectors[0::2], vectors[1::2] = (first + second) * half, (first - second) * half
    return {"mean": mean, "eigenvals": values, "eigenvecs": vectors}


def sound_pca() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    vectors = np.linalg.qr(rng.normal(size=(spec.AUDIO, spec.AUDIO)))[0].astype(np.float32)
    return {
        "pca_means": rng.normal(size=(spec.AUDIO, 1)).astype(np.float32),
        "pca_eigen_vectors": vectors,
    }


def _npy(array: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


def _archive(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz", compresslevel=0) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))

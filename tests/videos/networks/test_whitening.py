import numpy as np
import pytest

from tests.data.doctor.shards import released
from tests.made_segments import frame_records
from yt8m_exp import spec
from yt8m_exp.data.tfrecords.messages import SequenceExample
from yt8m_exp.videos.networks import whitening
from yt8m_exp.videos.networks.whitening import quantised


def dequantised(rows):
    return rows.astype(np.float32) * np.float32(spec.BYTE_SCALE) + np.float32(spec.BYTE_OFFSET)


def test_every_byte_stands_for_itself():
    every = np.arange(256, dtype=np.uint8)
    assert (quantised(dequantised(every)) == every).all()


def test_frames_of_the_release_come_back():
    record = SequenceExample.FromString(next(iter(frame_records().values())))
    for name in ("rgb", "audio"):
        steps = record.feature_lists.feature_list[name].feature
        rows = np.array([list(step.bytes_list.value[0]) for step in steps], np.uint8)
        assert (quantised(dequantised(rows)) == rows).all()


def test_components_are_cut_off_not_rounded():
    values = np.array([-9, -2, -1.99, 0, 1.9999, 2, 9], np.float32)
    assert quantised(values).tolist() == [0, 0, 0, 127, 254, 255, 255]


def test_the_mean_byte_of_the_release_is_that_of_cutting_off():
    """Components have a mean of zero: rounding would give 127.5, cutting off 127.0."""
    rows = []
    for record in frame_records("sample/frame/train").values():
        steps = SequenceExample.FromString(record).feature_lists.feature_list["rgb"].feature
        rows += [np.frombuffer(step.bytes_list.value[0], np.uint8) for step in steps]
    assert np.mean(rows) == pytest.approx(127.0, abs=0.2)


def orthogonal(size):
    """Eigenvectors of no shape: a mirror at a random plane."""
    v = np.random.default_rng(0).normal(size=size)
    return (np.eye(size) - 2 * np.outer(v, v) / (v @ v)).astype(np.float32)


def test_the_published_mean_and_eigenvalues_whiten_pictures():
    mean = np.load(released("meta/pca_mean.npy"))
    values = np.load(released("meta/pca_eigenvals.npy"))
    assert (values[0, 0], values[1023, 0]) == (
        pytest.approx(14.74, abs=0.01),
        pytest.approx(0.0154, abs=1e-4),
    )
    vectors = orthogonal(2048)
    whiten = whitening.of_pictures(mean, values, vectors)
    parts = np.random.default_rng(1).normal(size=(3, 2048)) * np.sqrt(np.maximum(values[:, 0], 0))
    outputs = (parts @ vectors + mean[:, 0]).astype(np.float32)  # rows of `vectors` are vectors
    expected = parts[:, :1024] / np.sqrt(values[:1024, 0] + 1e-4)
    assert whiten(outputs) == pytest.approx(expected, abs=2e-3)


def test_the_projection_of_sound_is_the_published_postprocessors():
    rng = np.random.default_rng(0)
    means, vectors, outputs = (
        rng.normal(size=(128, 1)),
        rng.normal(size=(128, 128)),
        rng.normal(size=(5, 128)),
    )
    whiten = whitening.of_sound(means, vectors)
    assert whiten(outputs) == pytest.approx((vectors @ (outputs.T - means)).T, abs=1e-4)

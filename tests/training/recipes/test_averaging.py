import numpy as np
import pytest

from yt8m_exp.training.recipes.averaging import Snapshots


def kept(folder, method, points, checkpoints=3):
    """Snapshots of one weight each, at 100, 200, ... examples; points are (weight, GAP)."""
    snapshots = Snapshots(folder, method, checkpoints)
    for number, (value, gap) in enumerate(points, 1):
        snapshots.keep([np.array([value], np.float32)], 100 * number, gap)
    return snapshots


def measure(weights):
    """GAP falls with the distance of the weight from 5."""
    return {"gap": 1 - abs(float(weights[0][0]) - 5) / 10, "loss": 0.5}


POINTS = [(9, 0.6), (4, 0.9), (3, 0.8), (8, 0.7), (2, None)]


def test_the_last_are_averaged(tmp_path):
    snapshots = kept(tmp_path, "uniform", POINTS)
    assert [snapshot.examples for snapshot in snapshots.found()] == [500, 400, 300]
    average = snapshots.average(measure)
    np.testing.assert_allclose(average.weights[0], [(3 + 8 + 2) / 3], rtol=1e-6)
    assert average.members == [500, 400, 300]
    assert average.metrics == measure(average.weights)


def test_the_greedy_average_takes_what_does_not_lower_its_gap(tmp_path):
    snapshots = kept(tmp_path, "greedy", POINTS)
    assert [snapshot.examples for snapshot in snapshots.found()] == [200, 300, 400]
    average = snapshots.average(measure)  # 4 alone 0.9, with 3 0.85, with 8 0.9
    assert average.members == [200, 400]
    np.testing.assert_allclose(average.weights[0], [6])
    assert average.metrics["gap"] == pytest.approx(0.9)


def test_without_anything_to_add_there_is_no_average(tmp_path):
    assert kept(tmp_path / "none", "greedy", []).average(measure) is None
    assert kept(tmp_path / "one", "uniform", POINTS[:1]).average(measure) is None
    assert kept(tmp_path / "worse", "greedy", [(5, 1.0), (9, 0.6)]).average(measure) is None


def test_what_comes_again_after_a_resume_is_forgotten(tmp_path):
    snapshots = kept(tmp_path, "uniform", POINTS)
    snapshots.forget(400)
    assert [snapshot.examples for snapshot in snapshots.found()] == [400, 300]

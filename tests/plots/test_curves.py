import numpy as np
import pytest

from tests.plots.rendering import require_clear_titles, texts
from yt8m_exp.plots import curves

GAPS = [(1000 * i, 0.8 - 0.5 / i) for i in range(1, 31)]


def curve():
    recall = np.linspace(0.002, 0.95, 500)
    return 1 - 0.8 * recall**3, recall, np.linspace(1, 0.001, 500)


DRAWN = {
    "gap": lambda: curves.gap_curve(GAPS, best=7000),
    "one point": lambda: curves.gap_curve([(1, 0.0)]),
    "loss": lambda: curves.loss_curve([(i, 2000 / i) for i in range(1, 400)], [(100, 21.0)]),
    "training only": lambda: curves.loss_curve([(1, 2.0), (2, 1.0)], []),
    "validation only": lambda: curves.loss_curve([], [(1, 2.0), (2, 1.0)]),
    "precision": lambda: curves.precision_recall(*curve(), gap=0.8),
    "precision at one point": lambda: curves.precision_recall([0.1], [0.0], [0.5], gap=0.0),
    "precision of nothing": lambda: curves.precision_recall([], [], [], gap=0.0),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figures_render_and_their_titles_and_labels_do_not_touch(name):
    require_clear_titles(DRAWN[name]())


def test_the_best_point_is_the_highest_or_the_one_asked_for():
    assert "best 0.7833 at 30k examples" in texts(curves.gap_curve(GAPS))
    assert "best 0.7286 at 7k examples" in texts(curves.gap_curve(GAPS, best=7000))
    with pytest.raises(ValueError, match="got 7100; the nearest is at 7000"):
        curves.gap_curve(GAPS, best=7100)


def test_a_loss_that_falls_far_is_drawn_on_a_log_scale():
    far, near = [(1, 2000.0), (2, 10.0)], [(1, 20.0), (2, 10.0)]
    assert curves.loss_curve(far, []).axes[0].get_yscale() == "log"
    assert curves.loss_curve(near, []).axes[0].get_yscale() == "linear"


def test_the_best_f1_and_its_threshold_are_named():
    shown = texts(curves.precision_recall([1.0, 0.8, 0.1], [0.1, 0.8, 0.9], [0.9, 0.4, 0.0], gap=1))
    assert "best F1 0.800 at 0.40" in shown


def test_curves_of_many_runs_differ():
    points = {f"run {n}": [(1, 0.1), (2, 0.1 * n)] for n in range(10)}
    figure = curves.gap_curves(points)
    require_clear_titles(figure)
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == 10


def test_of_very_many_curves_only_the_best_are_named_and_all_are_drawn():
    points = {f"run {n}": [(1, 0.1), (2, n / 1000)] for n in range(100, 400)}
    figure = curves.gap_curves(points)
    require_clear_titles(figure)
    named = [line.get_label() for line in figure.axes[0].lines]
    assert named == [f"run {n}" for n in range(400 - curves.MOST_NAMED, 400)]
    (others,) = figure.axes[0].collections
    assert len(others.get_segments()) == 300 - curves.MOST_NAMED

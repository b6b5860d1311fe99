import numpy as np
import pytest

from tests.plots.rendering import require_clear_titles, texts
from yt8m_exp.plots.classes import ap_by_frequency, class_chart, class_table

NAMES = ["Game", "", "Ke$ha and A$AP", "Game", "A name " * 9]


def classes(count=400, seed=0):
    rng = np.random.default_rng(seed)
    positives = (10 ** (4 * rng.random(count))).astype(int)
    ap = np.where(rng.random(count) < 0.1, np.nan, rng.random(count))
    return ap, positives, [NAMES[i % len(NAMES)] for i in range(count)]


DRAWN = {
    "frequency": lambda: ap_by_frequency(*classes()[:2]),
    "one class": lambda: ap_by_frequency([0.5], [3]),
    "classes not trained": lambda: ap_by_frequency([0.5, 0.7, 0.1], [0, 300, 0]),
    "no class trained": lambda: ap_by_frequency([0.5, 0.7, 0.1], [0, 0, 0]),
    "no positive at all": lambda: ap_by_frequency([np.nan, np.nan], [0, 0]),
    "classes": lambda: class_chart(class_table(*classes())),
    "few classes": lambda: class_chart(class_table(*classes(3))),
    "no class": lambda: class_chart(class_table(*classes(), min_positives=10**9)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figures_render_and_their_titles_and_labels_do_not_touch(name):
    require_clear_titles(DRAWN[name]())


def test_the_table_holds_the_best_and_worst_classes_that_are_frequent_enough():
    ap = [0.9, 0.1, np.nan, 0.5, 1.0, 0.3]
    table = class_table(ap, [50, 50, 50, 50, 9, 50], list("abcdef"), rows=2)
    assert table.columns.tolist() == ["class_id", "name", "positives", "ap", "group"]
    assert table["class_id"].tolist() == [0, 3, 1, 5]
    assert table["group"].tolist() == ["best", "best", "worst", "worst"]


def test_no_class_is_both_best_and_worst():
    for count in range(1, 7):
        table = class_table(np.arange(count) / 10, [99] * count, ["x"] * count, rows=4)
        assert sorted(table["class_id"]) == list(range(count))


def test_classes_are_shown_by_name_and_index():
    figure = class_chart(class_table([0.9, 0.8], [99, 99], ["Game", ""]))
    assert "Game (0)" in texts(figure)
    assert "class 1" in texts(figure)  # it has no name


def markers(figure):
    """The places of the medians, and the limits of their axis."""
    axes = figure.axes[1]
    (line,) = (line for line in axes.lines if line.get_label() == "median and quartiles")
    return line.get_xdata(), axes.get_xlim()


def test_classes_without_a_training_video_are_drawn_and_counted():
    ap, counts = [0.2, 0.4, 0.9, np.nan, 0.1], [0, 0, 120, 0, 3]
    figure = ap_by_frequency(ap, counts)
    shown = texts(figure)
    assert f"4 classes, mean {np.nanmean(ap):.3f}" in shown
    assert "no video" in shown
    assert "training videos with the class" in shown
    (points,) = (line for line in figure.axes[1].lines if line.get_marker() == ".")
    x, (left, right) = points.get_xdata(), figure.axes[1].get_xlim()
    assert (left < x).all()
    assert (x < right).all()
    assert (x[:2] < 1).all()  # left of the class of one video
    assert x[2:].tolist() == [120, 3]
    bars = [bar.get_height() for bar in figure.axes[0].patches]
    assert (bars[0], sum(bars)) == (2, 4)


def test_no_marker_lies_beyond_the_last_class():
    places, (left, right) = markers(ap_by_frequency([0.5, 0.6, 0.7], [10, 31, 120]))
    assert places[-1] == pytest.approx(120)
    assert left < places[0]
    assert places[-1] < right
    assert "no video" not in texts(ap_by_frequency([0.5], [3], of="evaluation"))
    assert "evaluation videos" in texts(ap_by_frequency([0.5], [3], of="evaluation"))

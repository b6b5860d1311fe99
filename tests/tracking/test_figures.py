import io

import numpy as np
import pytest

from yt8m_exp.tracking import figures

GAPS = [(1000 * i, 0.8 - 0.5 / i) for i in range(1, 31)]
NAMES = ["Game", "", "Ke$ha and A$AP", "Game", "A name " * 9]


def classes(count=400, seed=0):
    rng = np.random.default_rng(seed)
    positives = (10 ** (4 * rng.random(count))).astype(int)
    ap = np.where(rng.random(count) < 0.1, np.nan, rng.random(count))
    return ap, positives, [NAMES[i % len(NAMES)] for i in range(count)]


def curve():
    recall = np.linspace(0.002, 0.95, 500)
    return 1 - 0.8 * recall**3, recall, np.linspace(1, 0.001, 500)


DRAWN = {
    "gap": lambda: figures.gap_curve(GAPS, best=7000),
    "one point": lambda: figures.gap_curve([(1, 0.0)]),
    "loss": lambda: figures.loss_curve([(i, 2000 / i) for i in range(1, 400)], [(100, 21.0)]),
    "training only": lambda: figures.loss_curve([(1, 2.0), (2, 1.0)], []),
    "validation only": lambda: figures.loss_curve([], [(1, 2.0), (2, 1.0)]),
    "precision": lambda: figures.precision_recall(*curve(), gap=0.8),
    "precision at one point": lambda: figures.precision_recall([0.1], [0.0], [0.5], gap=0.0),
    "frequency": lambda: figures.ap_by_frequency(*classes()[:2]),
    "classes not trained": lambda: figures.ap_by_frequency([0.5, 0.7, 0.1], [0, 300, 0]),
    "no class trained": lambda: figures.ap_by_frequency([0.5, 0.7, 0.1], [0, 0, 0]),
    "one class": lambda: figures.ap_by_frequency([0.5], [3]),
    "no positive at all": lambda: figures.ap_by_frequency([np.nan, np.nan], [0, 0]),
    "classes": lambda: figures.class_chart(figures.class_table(*classes())),
    "few classes": lambda: figures.class_chart(figures.class_table(*classes(3))),
    "no class": lambda: figures.class_chart(figures.class_table(*classes(), least_positives=10**9)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figures_render_and_their_titles_and_labels_do_not_touch(name):
    figure = DRAWN[name]()
    file = io.BytesIO()
    figure.savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")
    for axes in figure.axes:
        texts = [axes.title, axes._left_title, axes._right_title]
        texts += [axes.xaxis.label, axes.yaxis.label]
        boxes = [text.get_window_extent() for text in texts if text.get_text()]
        assert boxes
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda o: hasattr(o, "get_text")))


def test_the_best_point_is_the_highest_or_the_one_asked_for():
    assert "best 0.7833 at 30k examples" in texts(figures.gap_curve(GAPS))
    assert "best 0.7286 at 7k examples" in texts(figures.gap_curve(GAPS, best=7000))
    with pytest.raises(ValueError, match="got 7100; the nearest is at 7000"):
        figures.gap_curve(GAPS, best=7100)


def test_a_loss_that_falls_far_is_drawn_on_a_log_scale():
    far, near = [(1, 2000.0), (2, 10.0)], [(1, 20.0), (2, 10.0)]
    assert figures.loss_curve(far, []).axes[0].get_yscale() == "log"
    assert figures.loss_curve(near, []).axes[0].get_yscale() == "linear"


def test_the_best_f1_and_its_threshold_are_named():
    shown = texts(
        figures.precision_recall([1.0, 0.8, 0.1], [0.1, 0.8, 0.9], [0.9, 0.4, 0.0], gap=1)
    )
    assert "best F1 0.800 at 0.40" in shown


def test_the_table_holds_the_best_and_worst_classes_that_are_frequent_enough():
    ap = [0.9, 0.1, np.nan, 0.5, 1.0, 0.3]
    table = figures.class_table(ap, [50, 50, 50, 50, 9, 50], list("abcdef"), rows=2)
    assert table.columns.tolist() == ["class_id", "name", "positives", "ap", "group"]
    assert table["class_id"].tolist() == [0, 3, 1, 5]
    assert table["group"].tolist() == ["best", "best", "worst", "worst"]


def test_no_class_is_both_best_and_worst():
    for count in range(1, 7):
        table = figures.class_table(np.arange(count) / 10, [99] * count, ["x"] * count, rows=4)
        assert sorted(table["class_id"]) == list(range(count))


def test_classes_are_shown_by_name_and_index():
    figure = figures.class_chart(figures.class_table([0.9, 0.8], [99, 99], ["Game", ""]))
    assert "Game (0)" in texts(figure)
    assert "(1)" in texts(figure)


def markers(figure):
    """The places of the medians, and the limits of their axis."""
    axes = figure.axes[1]
    (line,) = (line for line in axes.lines if line.get_label() == "median and quartiles")
    return line.get_xdata(), axes.get_xlim()


def test_classes_without_a_training_video_are_drawn_and_counted():
    ap, counts = [0.2, 0.4, 0.9, np.nan, 0.1], [0, 0, 120, 0, 3]
    figure = figures.ap_by_frequency(ap, counts)
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
    places, (left, right) = markers(figures.ap_by_frequency([0.5, 0.6, 0.7], [10, 31, 120]))
    assert places[-1] == pytest.approx(120)
    assert left < places[0]
    assert places[-1] < right
    assert "no video" not in texts(figures.ap_by_frequency([0.5], [3], of="evaluation"))
    assert "evaluation videos" in texts(figures.ap_by_frequency([0.5], [3], of="evaluation"))

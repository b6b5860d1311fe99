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
    assert "(1)" in texts(figure)

import numpy as np
import pytest

from tests.plots.rendering import require_clear_titles, texts
from yt8m_exp.plots import shards

RNG = np.random.default_rng(0)
NORMS = np.bincount(RNG.integers(40, 300, 5000), minlength=700)
NONE = np.zeros(700, np.int64)
FAKES = np.bincount(RNG.integers(18, 32, 300), minlength=700)
COUNTS = RNG.poisson(20, 50)
KNOWN = (5.5, 12.7, 30.5)
EIGHTHS = (0.6, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4)
NAMES = ["Ke$ha", "", *["Game"] * 48]

DRAWN = {
    "norms": lambda: shards.norms(NORMS, FAKES, 0.1, known=KNOWN),
    "norms of no release": lambda: shards.norms(NORMS, NONE, 0.1),
    "norms of nothing": lambda: shards.norms(NONE, NONE, 0.1, known=KNOWN),
    "fakes alone": lambda: shards.norms(NONE, FAKES, 0.1, known=KNOWN),
    "deviations": lambda: shards.deviations(RNG.uniform(0.4, 0.6, 1024), EIGHTHS),
    "deviations of no release": lambda: shards.deviations(np.zeros(3), ()),
    "classes": lambda: shards.frequencies(COUNTS, np.full(50, 20.0), [0, 1], NAMES),
    "classes without a video": lambda: shards.frequencies(COUNTS * 0, np.full(50, 20.0), [], NAMES),
    "frames": lambda: shards.frames(np.bincount(RNG.integers(100, 300, 500))),
    "a frame": lambda: shards.frames([0, 1]),
    "labels": lambda: shards.labels([9, 5, 3, 1]),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_clear(name):
    require_clear_titles(DRAWN[name]())


def test_fakes_are_drawn_where_there_are_some():
    assert "fakes" in texts(DRAWN["norms"]())
    assert "fakes" not in texts(DRAWN["norms of no release"]())


def test_odd_classes_are_named():
    assert "Ke\\$ha (0)" in texts(DRAWN["classes"]())
    assert "Game" not in texts(DRAWN["classes"]())


def test_videos_without_labels_are_not_in_the_mean():
    (axes,) = DRAWN["labels"]().axes
    assert axes.get_title("right") == "mean 1.56"  # (5 + 2 * 3 + 3) / 9


def test_names_of_odd_classes_do_not_overlap():
    figure = shards.frequencies([100, 101, 9], [50, 50, 50], [0, 1, 2], ["Cat", "Dog", "Cow"])
    shown = texts(figure)
    assert ("Cat (0)" in shown) + ("Dog (1)" in shown) == 1
    assert "Cow (2)" in shown

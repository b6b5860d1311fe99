import io

import numpy as np
import pytest

from yt8m_exp.plots import comparison

RNG = np.random.default_rng(0)
RECALL = np.linspace(0.01, 0.9, 50)
CURVES = [("champion", RECALL, 1 - RECALL / 2, 0.6), ("challenger", RECALL, 1 - RECALL / 3, 0.7)]


def classes(count):
    gains = RNG.normal(size=count) / 10
    names = [f"Ke$ha and A$AP ({i})" for i in range(count)]
    return gains, np.full(count, 0.05), RNG.integers(1, 1000, count), names


DRAWN = {
    "two models": lambda: comparison.precision_recall(CURVES),
    "the first champion": lambda: comparison.precision_recall(CURVES[1:]),
    "gain": lambda: comparison.gain(RNG.normal(0.01, 0.003, 500), 0.01, (0.004, 0.016)),
    "no gain at all": lambda: comparison.gain(np.zeros(500), 0.0, (0.0, 0.0)),
    "classes": lambda: comparison.by_class(*classes(200)),
    "one class": lambda: comparison.by_class(*classes(1)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_can_be_drawn_to_a_file(name):
    buffer = io.BytesIO()
    DRAWN[name]().savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_the_result_is_written_beside_the_title():
    (axes,) = DRAWN["gain"]().axes
    assert axes.get_title("right") == "+0.0100, between +0.0040 and +0.0160"


def test_the_classes_that_change_most_are_named():
    figure = comparison.by_class([0.3, 0.0, -0.2], [0.1] * 3, [9, 8, 7], ["up", "same", "down"])
    labels = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert labels == ["down", "same", "up"]
    assert figure.axes[0].get_title("right") == "1 better, 1 worse"

from matplotlib.figure import Figure

from yt8m_exp.plots import drawing
from yt8m_exp.plots.style import BLUE, INK


def test_a_figure_of_a_page_has_the_colors_of_the_page():
    figure = Figure()
    figure.subplots().plot([1, 2], color=BLUE, label="<a & b>")
    figure.text(0.5, 0.5, "words <b>", color=INK)
    drawn = drawing.svg(figure)
    assert drawn.startswith('<svg class="figure"')
    assert "var(--blue)" in drawn
    assert BLUE not in drawn
    assert INK not in drawn
    assert ">words &lt;b&gt;</text>" in drawn

from matplotlib.figure import Figure

from yt8m_exp.plots import document
from yt8m_exp.plots.style import BLUE, INK


def test_a_figure_of_a_page_has_the_colors_of_the_page():
    figure = Figure()
    figure.subplots().plot([1, 2], color=BLUE, label="<a & b>")
    figure.text(0.5, 0.5, "words <b>", color=INK)
    drawn = document.svg(figure)
    assert drawn.startswith('<svg class="figure"')
    assert "var(--blue)" in drawn
    assert BLUE not in drawn
    assert INK not in drawn
    assert ">words &lt;b&gt;</text>" in drawn


def test_data_cannot_end_their_script(tmp_path):
    path = tmp_path / "a.js"
    path.write_text("1")
    assert "</script><b>" not in document.script(path, {"name": "</script><b>"})


def test_a_page_is_readable_on_dark():
    assert "prefers-color-scheme: dark" in document.page("A", [])

from tests.plots.rendering import require_clear_titles, texts
from yt8m_exp.evaluation.mistakes import Bin
from yt8m_exp.plots.browser.slices import Panel, gap_by

PARTS = [Bin(1, 1, 12_300, 0.4), Bin(2, 5, 900, 0.6), Bin(6, None, 3, 0.7)]


def test_parts_are_named_by_their_counts():
    figure = gap_by([Panel("labels of the video", "videos", {"one": PARTS})])
    require_clear_titles(figure)
    shown = texts(figure)
    for words in ("2-5", "≥ 6", "12.3k", "labels of the video", "GAP"):
        assert words in shown


def test_a_part_that_one_model_lacks_is_drawn_for_the_other():
    figure = gap_by([Panel("frames", "videos", {"one": PARTS, "other": PARTS[1:]})])
    axes = figure.axes[1]
    assert [line.get_xdata().tolist() for line in axes.lines] == [[0, 1, 2], [1, 2]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "other"]

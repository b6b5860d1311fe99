from plotly.graph_objects import Figure, Scatter

from yt8m_exp.plots import page


def test_a_page_holds_its_figures_and_the_library_once():
    figure = Figure(Scatter(y=[1, 2]))
    html = page.render("Study <a>", [("One", "The first.", figure), ("Two", "", figure)])
    assert html.count("Plotly.newPlot(") >= 2
    assert html.count("<h2>") == 2
    assert "<h1>Study &lt;a&gt;</h1>" in html
    assert len(html) < 2 * len(page.render("One", [("One", "", figure)]))


def test_there_is_no_page_without_figures():
    assert page.render("Study", []) == ""

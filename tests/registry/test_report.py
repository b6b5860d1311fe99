from html.parser import HTMLParser

from tests.registry.test_chain import record
from yt8m_exp.registry import report
from yt8m_exp.registry.gate import Check

CHECKS = [Check("gain", False, "GAP < 1 & falls."), Check("floor", True, "GAP is there.")]


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.words, self.sources, self.marked, self.within = [], [], [], False

    def handle_data(self, data):
        self.words.append(data)
        if self.within and data.strip():
            self.marked.append(data)

    def handle_starttag(self, tag, attributes):
        self.within = ("class", "yes") in attributes
        self.sources += [value for key, value in attributes if key in ("src", "href")]


def page(kind="refuse", name="yt8m", **better) -> Words:
    words = Words()
    words.feed(
        report.render(
            name,
            record(1, kind, 3, 2, None),
            CHECKS,
            {"challenger": {"gap": "0.5", "perr": "0.4"}, "champion": {"gap": "0.6"}},
            {"Gain": b"\x89PNG"},
            better=better,
        )
    )
    return words


def test_the_page_tells_the_verdict_the_checks_and_the_models():
    text = " ".join(page().words)
    assert "yt8m, version 3, is refused" in text
    assert "fails gain GAP < 1 & falls." in text
    assert "gap 0.5 0.6" in text
    assert "passes" in " ".join(page("promote").words)


def test_the_page_needs_no_other_file():
    assert page().sources == ["data:image/png;base64,iVBORw=="]


def test_a_name_is_text_and_never_markup():
    assert "<script>alert(1)</script>" in " ".join(page(name="<script>alert(1)</script>").words)


def test_the_better_model_of_a_metric_is_marked():
    assert page(gap="champion", perr="challenger").marked == ["holds", "0.6", "0.4"]

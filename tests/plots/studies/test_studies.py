from html.parser import HTMLParser

import pytest

from tests.plots.rendering import require_clear_titles, texts
from yt8m_exp.plots.studies import figures, parameters
from yt8m_exp.plots.studies import page as study_page
from yt8m_exp.plots.studies.scales import Scale
from yt8m_exp.plots.studies.trials import Study, Trial

EVIL = "<script>alert('x')</script>"


def trial(number, state="complete", value=None, **params):
    value = 0.7 - 0.01 * number if value is None else value
    curve = [(1000 * step, value - 0.3 / step) for step in range(1, 5)]
    params = {"learning_rate": 10 ** -(1 + number % 4), "schedule": "cosine"} | params
    values = (value,) if state == "complete" else ()
    reason = "" if state == "complete" else "Pruned at 4,000 examples."
    address = f"http://host/#/runs/{number}"
    return Trial(number, state, values, params, curve, 60.0 * number, 90.0 * (number + 1), 4000,
                 reason, address)  # fmt: skip


def study(trials, objectives=None, importances=None):
    complete = [t for t in trials if t.state == "complete"]
    best = [max(complete, key=lambda t: t.values[0]).number] if complete else []
    return Study("moe", objectives or {"val/gap": "maximize"}, trials, importances or {}, best)


MIXED = [
    *(trial(n, units=2**n, dropout=n / 10) for n in range(8)),
    trial(8, "pruned", 0.5),
    trial(9, "fail")._replace(curve=[], reason=EVIL),
    trial(10, "running")._replace(ended=None),
]
SHARES = {"learning_rate": 0.7, "units": 0.3}
STUDIES = {
    "mixed": study(MIXED, importances=SHARES),
    "one trial": study([trial(0)]),
    "one value": study([trial(n, value=0.5, units=3) for n in range(3)]),
    "a condition": study([trial(0), trial(1, decay=0.9)]),
    "two objectives": study(
        [trial(n)._replace(values=(0.5, 1e6 * n)) for n in range(4)],
        {"val/gap": "maximize", "parameters": "minimize"},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_figures_are_clear(name):
    drawn = figures.draw(STUDIES[name])
    assert drawn
    for figure in drawn.values():
        require_clear_titles(figure)


def test_nothing_is_drawn_before_a_trial_is_complete():
    assert figures.draw(study([trial(0, "running")])) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_ticks_of_parallel_coordinates_do_not_touch(name):
    if "parallel_coordinates" not in figures.draw(STUDIES[name]):
        return
    figure = parameters.parallel_coordinates(STUDIES[name])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])


def test_values_are_placed_by_size_or_by_their_logarithm():
    even = Scale.of("k", [{"k": n} for n in (0.2, 0.4, 0.6)])
    assert [even.place(n) for n in (0.2, 0.3, 0.6)] == pytest.approx([0, 0.25, 1])
    log = Scale.of("k", [{"k": n} for n in (1e-4, 1e-3, 1e-2)])
    assert [log.place(n) for n in (1e-4, 1e-3, 1e-2)] == pytest.approx([0, 0.5, 1])
    names = Scale.of("k", [{"k": n} for n in ("b", "a", True)])
    assert names.ticks(5) == [
        (pytest.approx(p), n) for p, n in zip((1 / 6, 0.5, 5 / 6), ("True", "a", "b"), strict=True)
    ]


def test_few_values_are_the_ticks():
    sizes = Scale.of("k", [{"k": n} for n in (64, 128, 512)])
    assert [text for _, text in sizes.ticks(4)] == ["64", "128", "512"]
    many = Scale.of("k", [{"k": n / 7} for n in range(1, 700)])
    assert 2 <= len(many.ticks(4)) <= 5


def test_the_best_trial_stands_out():
    figure = figures.curves(STUDIES["mixed"])
    (best,) = [line for line in figure.axes[0].lines if line.get_gid() == "trial-0"]
    assert best.get_linewidth() > 2
    assert "best" in texts(figure)


class Text(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.words, self.tags = [], []
        self.feed(page)

    def handle_data(self, data):
        self.words.append(data)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def page(**changes):
    given = {"description": "Widths.", "recipe": "train a='b c'", "links": {"Look": "http://host"}}
    return study_page.render(STUDIES["mixed"], **given | changes)


def test_the_page_tells_the_trials_and_why_they_ended():
    text = " ".join(Text(page()).words)
    for words in ("8 complete", "1 pruned", "Pruned at 4,000 examples.", "train a='b c'"):
        assert words in text
    assert "0.7, by trial 0" in text


def test_text_of_a_study_is_never_markup():
    shown = page(description=EVIL, recipe=EVIL, links={EVIL: EVIL})
    assert EVIL not in shown
    assert sum(tag == "script" for tag, _ in Text(shown).tags) == 2


def test_the_page_needs_no_other_file_and_marks_each_trials_curves():
    tags = Text(page()).tags
    assert not [given for _, given in tags if "src" in given]
    links = {given["href"] for _, given in tags if "href" in given}
    assert "http://host/#/runs/3" in links
    assert sum(given.get("id") == "trial-3" for _, given in tags) == 2  # curve, coordinates


@pytest.mark.slow
def test_a_large_study_makes_a_small_page():
    trials = [trial(n, value=0.5 + n % 7 / 50, a=n / 3, b=n % 5, c=str(n % 3)) for n in range(500)]
    assert len(study_page.render(study(trials), "", "", {})) < 2_000_000


def test_a_value_of_null_is_written_and_a_missing_one_is_not():
    trials = [trial(0, half_life=None), trial(1), trial(2, half_life=5000)]
    page = study_page.render(study(trials), "", "", {})
    assert page.count("<td class=number>null</td>") == 1
    assert "<th class=number><button>half_life</button>" in page


def test_numbers_among_names_are_in_order():
    scale = Scale.of("k", [{"k": value} for value in (None, 20_000, 5000, "a")])
    assert scale.names == ("5000", "20000", "a", "null")

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from yt8m_exp.data.vocabulary import Vocabulary
from yt8m_exp.evaluation import mistakes
from yt8m_exp.evaluation.sample import Predicted
from yt8m_exp.plots.browser import page as browser
from yt8m_exp.plots.browser.page import Model

RNG = np.random.default_rng(0)
CLASSES = 300
EVIL = "<script>alert('x')</script>"
WORDS = Vocabulary(
    (EVIL, "", "Guitar", *(f"Class {n}" for n in range(3, CLASSES))),
    verticals=("Games", "Arts & Entertainment", "Arts & Entertainment") * (CLASSES // 3),
)
COLUMNS = {"videos": np.arange(CLASSES), "AP": np.where(np.arange(CLASSES) % 2, 0.5, np.nan)}


def predicted(videos=200, *, labels=3, name=b"v%d"):
    order = np.argsort(RNG.random((videos, CLASSES)), axis=1).astype(np.int32)
    scores = -np.sort(-RNG.random((videos, 20), dtype=np.float32))
    right = np.sort(order[:, 15 : 15 + labels], axis=1)
    ids = np.array([name % n for n in range(videos)], object)
    return Predicted(ids, order[:, :20], scores, right, None, videos)


def render(*found, **options):
    models = [Model(f"model {n}", part) for n, part in enumerate(found)]
    return browser.render("Errors", ["<p>A fact.</p>"], models, WORDS, COLUMNS, **options)


def data(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


def numbers(text):
    return np.frombuffer(base64.b64decode(text), "<u2")


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.addresses = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href")]


def test_the_page_holds_each_video_with_its_labels_and_predictions():
    found = predicted()
    held = data(render(found))
    order = mistakes.order(found)
    assert held["ids"] == [found.ids[row].decode() for row in order]
    (model,) = held["models"]
    assert numbers(model["predicted"]).tolist() == found.class_ids[order].ravel().tolist()
    np.testing.assert_allclose(
        numbers(model["scores"]) / 65535, found.scores[order].ravel(), atol=1e-5
    )
    assert numbers(held["labels"]).tolist() == found.labels[order].ravel().tolist()
    assert set(numbers(held["label_counts"])) == {3}


def test_what_is_not_known_of_a_class_is_no_number():
    rows = {row[0]: row[1:] for row in data(render(predicted()))["classes"]["rows"]}
    assert 0 not in rows  # a class of no video
    assert rows[3] == [3, 0.5]
    assert rows[4] == [4, None]


def test_names_are_text_and_never_markup():
    page = render(replace(predicted(), ids=np.array([EVIL.encode()] * 200, object)))
    assert EVIL not in page
    assert Tags(page).tags.count("script") == 2
    assert EVIL in data(page)["classes"]["names"]


def test_the_page_needs_no_other_file():
    page = render(predicted())
    assert not [address for address in Tags(page).addresses if not address.startswith("#")]
    assert "@import" not in page


def test_a_page_that_would_be_too_large_shows_a_sample():
    found = predicted(4000)
    page = render(found, max_bytes=300_000)
    held = data(page)
    assert 0.9 * 300_000 < len(page.encode()) <= 300_000
    assert held["videos"] == 4000
    shown = len(held["ids"])
    assert set(held["ids"]) == {name.decode() for name in found.ids[:shown]}


def test_videos_without_labels_are_shown_without_mistakes():
    page = render(predicted(labels=0))
    assert not data(page)["labelled"]
    assert "Taken for another" not in page
    assert "Where GAP moves" not in page


def test_two_models_are_shown_side_by_side():
    one = predicted()
    page = render(one, replace(one, scores=one.scores / 2))
    assert [model["name"] for model in data(page)["models"]] == ["model 0", "model 1"]
    assert "model 1 better" in page


def test_a_model_with_fewer_predictions_is_padded():
    one = predicted()
    few = replace(one, class_ids=one.class_ids[:, :5], scores=one.scores[:, :5])
    first, second = data(render(one, few))["models"]
    assert len(numbers(first["predicted"])) == len(numbers(second["predicted"])) == 200 * 20
    assert numbers(second["predicted"]).reshape(200, 20)[:, 5:].min() == 0xFFFF


@pytest.mark.parametrize("videos", [0, 1])
def test_hardly_any_video_makes_a_page(videos):
    assert len(data(render(predicted(videos)))["ids"]) == videos

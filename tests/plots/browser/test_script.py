"""What the script of a page shows, in a browser."""

import html
import json
import re

import numpy as np
import pytest

from tests.plots import chromium
from tests.plots.browser.test_page import CLASSES, EVIL, predicted, render

pytestmark = pytest.mark.slow
STEPS = """
const seen = {};
const look = (name) => { seen[name] = [document.getElementById("count").textContent,
  ...[...document.querySelectorAll("#videos tr td:first-child")].map((c) => c.textContent)]; };
const type = (name, value) => { const field = document.getElementById(name);
  field.value = value; field.dispatchEvent(new Event("input")); };
look("first");
type("text", "v17"); look("by id");
type("text", "guitar"); look("by class");
type("text", ""); type("order", "best"); look("best");
type("order", "worst"); type("vertical", 1); look("by vertical");
document.querySelector('nav button[value="confusions"]').click();
document.querySelector("#confusions td:last-child button").click(); look("pair");
document.querySelector('nav button[value="classes"]').click();
document.querySelector("#classes th:nth-child(4) button").click();
seen.classes = [...document.querySelectorAll("#classes tr")].slice(1, 4).map((r) => r.textContent);
document.getElementById("picked").click();
document.querySelector('nav button[value="videos"]').click();
type("text", "<script>"); look("evil");
seen.chips = [...document.querySelectorAll("#videos .chip")].map((chip) => chip.firstChild.data);
document.body.append(Object.assign(document.createElement("pre"),
  { id: "seen", textContent: JSON.stringify(seen) }));
"""


@pytest.fixture(scope="module")
def found():
    found = predicted(150)
    found.labels[0] = [0, 7, 9]  # the class with a name that looks like markup
    return found


@pytest.fixture(scope="module")
def seen(found, tmp_path_factory):

    dom = chromium.shown(render(found), tmp_path_factory.mktemp("chromium"), STEPS)
    return json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', dom)[1])), dom


def touching(found, classes):
    """Videos that have one of these classes, or have it predicted among the first three."""
    predicted = np.isin(found.class_ids[:, :3], classes).any(axis=1)
    return int((predicted | np.isin(found.labels, classes).any(axis=1)).sum())


def test_a_page_shows_the_first_videos_and_counts_all(seen):
    count, *videos = seen[0]["first"]
    assert count == "150 of 150 videos"
    assert len(videos) == 50


def test_videos_are_filtered_by_id_class_and_vertical(seen, found):
    steps, _ = seen
    assert steps["by id"][0] == "1 of 150 videos"
    assert steps["by id"][1:] == ["v17"]
    assert steps["by class"][0] == f"{touching(found, [2])} of 150 videos"
    games = [c for c in range(CLASSES) if c % 3 == 0]
    assert steps["by vertical"][0] == f"{touching(found, games)} of 150 videos"


def test_videos_are_sorted_from_both_ends(seen):
    steps, _ = seen
    assert set(steps["best"][1:]).isdisjoint(steps["first"][1:])


def test_a_confusion_leads_to_its_videos_and_classes_are_sorted(seen):
    steps, _ = seen
    assert int(steps["pair"][0].split()[0]) == len(steps["pair"]) - 1 >= 1
    assert all("0.500" in row for row in steps["classes"])  # the unknown come last


def test_a_name_is_shown_as_it_is(seen):
    steps, dom = seen
    assert "v0" in steps["evil"]
    assert EVIL in steps["chips"]
    assert EVIL not in dom

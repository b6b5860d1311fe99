import json
import re

import pytest

from tests.verbs import SCORED, SMALL

QUICK = "tracking.system_metrics=false"
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>')


@pytest.fixture(scope="module")
def pair(store, trained):
    """Two trainings, whose models were evaluated on the same shard."""
    name = "tracking.run_name='<b>small</b>'"
    small = store.done("train", *SMALL, "epochs=1", name)
    for training in (trained, small):
        store.done("eval", f"model_uri={training['model_uri']}", f"shards={SCORED}", QUICK)
    return trained["run_id"], small["run_id"]


@pytest.fixture(scope="module")
def compared(store, pair, tmp_path_factory):
    output = tmp_path_factory.mktemp("compare") / "page.html"
    result = store.done("compare", f"runs=[{','.join(pair)}]", f"output={output}")
    return result, output.read_text()


def test_runs_are_compared_by_configuration_metrics_cost_and_curves(compared, pair, trained):
    result, page = compared
    assert result["runs"] == list(pair)
    assert f"{trained['gap']:.4f}" in page
    assert "<code>epochs</code></td><td><code>3</code></td><td><code>1</code>" in page
    assert "examples per second" in page
    assert page.count("<svg") == 2  # curves, and where GAP moves
    assert "<b>small" not in page


def test_models_that_were_evaluated_on_the_same_shards_are_compared_by_video(store, compared):
    result, page = compared
    assert result["shared_videos"] == 251
    held = json.loads(DATA.search(page)[1])
    assert len(held["ids"]) == 251
    names = [store.get(run_id).info.run_name for run_id in result["runs"]]
    assert [model["name"] for model in held["models"]] == names
    assert names[1] == "<b>small</b>"
    assert held["classes"]["columns"][-1] == "gain"


def test_a_page_stays_as_it_is_where_the_disk_has_no_room_for_a_new_one(store, pair, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("old")
    more_than_two = "filter=\"attributes.status = 'FINISHED'\""  # whose videos are not compared
    outcome = store.run("compare", more_than_two, f"output={page}", most_bytes=4000)
    assert outcome.status == 1, outcome.err
    assert f"{page} cannot be written (File too large)" in outcome.sentence
    assert page.read_text() == "old"


def test_a_filter_finds_runs(store, pair, tmp_path):
    ids = store.get(pair[0]).info, f"output={tmp_path / 'page.html'}"
    chosen = f"filter=\"attributes.run_id IN ('{pair[0]}', '{pair[1]}')\""
    result = store.done("compare", chosen, ids[1])
    assert result["runs"] == list(pair)  # the better GAP first


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Either runs or filter must be given"),
        (("runs=[a]", "filter=b"), "Either runs or filter must be given"),
        (("runs=[nothing,nobody]",), "has no run 'nothing'"),
        (("filter=\"tags.verb = 'nothing'\"",), "At least two runs are compared, but got 0."),
        (("filter=nonsense",), "filter must be a filter of MLflow, but got 'nonsense'"),
        (("runs=[a,b]", "output=nowhere/page.html"), "nowhere"),
    ],
)
def test_what_cannot_be_compared_is_refused(store, pair, words, sentence):
    outcome = store.run("compare", *words)
    assert outcome.status == 2, outcome.err
    assert sentence in outcome.sentence

import itertools
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.tracking.server import Server
from tests.verbs import SCORED, SHARD
from yt8m_exp.registry import aliases, audit, versions

NUMBERS = itertools.count()
QUICK = (
    "tracking.system_metrics=false",
    f"shards={SCORED}",
    "policy.resamples=200",
    "policy.class_positives=10",
)


@pytest.fixture(scope="module")
def weak(store, trained):
    """The last line of a training that saw little."""
    words = ("epochs=0.2", "tracking.system_metrics=false", "figures=false")
    return store.done("train", f"data.train={SHARD}", *words)


@pytest.fixture
def registered(client, trained, weak):
    """Makes a registered model of a weak version 1 and a strong version 2."""
    name = f"gated {next(NUMBERS)}"
    client.create_registered_model(name)
    for result in (weak, trained):
        client.create_model_version(name, result["model_uri"], result["run_id"])
    return name


@pytest.fixture
def altered(client, store, trained, tmp_path):
    """Registers the strong model after something was done to a copy of its folder."""

    def make(name, change) -> int:
        folder = tmp_path / "altered"
        shutil.copytree(store.model(trained["model_uri"]), folder)
        change(folder)
        return int(client.create_model_version(name, str(folder)).version)

    return make


def promote(store, name, *words):
    return store.done("promote", f"name='{name}'", *QUICK, *words)


def crown(client, name, version):
    """Makes a version the champion, by a record alone."""
    chain = aliases.settle(client, name)
    words = {"champion": chain.champion, "reason": "for the test"}
    audit.append(client, name, audit.record(chain, "promote", version, **words))
    aliases.settle(client, name)


def aliases_of(store, name):
    return versions.aliases(store.client, name)


def swap_two_classes(folder: Path) -> None:
    (path,) = folder.rglob("vocabulary.csv")
    lines = path.read_text().splitlines(keepends=True)
    first, second = (re.sub(r"^\d+", "", line) for line in lines[1:3])
    path.write_text("".join([lines[0], "0" + second, "1" + first, *lines[3:]]))


def drop_the_signature(folder: Path) -> None:
    path = folder / "MLmodel"
    text = path.read_text()
    path.write_text(re.sub(r"^signature:\n(  .*\n)+", "", text, flags=re.MULTILINE))


def test_the_first_champion_needs_only_what_is_absolute(store, registered):
    result = promote(store, registered, "version=1", "policy.minimum_gap=0")
    assert result["promoted"] is True
    assert (result["champion"], result["challenger"], result["interval"]) == (None, 1, None)
    assert aliases_of(store, registered) == {"champion": 1}


def test_a_first_champion_below_the_floor_is_refused(store, registered):
    result = promote(store, registered, "version=1", "policy.minimum_gap=0.99")
    assert result["promoted"] is False
    assert "GAP must reach 0.99" in result["reason"]
    assert aliases_of(store, registered) == {}


def test_a_better_challenger_becomes_champion_with_all_evidence(client, store, registered, trained):
    crown(client, registered, 1)
    result = promote(store, registered, "version=2")
    assert result["promoted"] is True
    assert (result["champion"], result["challenger"]) == (1, 2)
    low, high = result["interval"]
    assert 0 < low < result["challenger_gap"] - result["champion_gap"] < high
    assert aliases_of(store, registered) == {"champion": 2, "previous": 1}
    record = json.loads(store.client.get_model_version(registered, "2").tags["decision.000002"])
    assert record["evidence"]["interval"] == result["interval"]
    assert record["evidence"]["report"] == result["report"]
    assert record["policy"]["resamples"] == 200
    run = store.get(result["run_id"])
    assert run.info.status == "FINISHED"
    assert (run.data.tags["verb"], run.data.tags["challenger.version"]) == ("promote", "2")
    assert run.data.metrics["gain/low"] == low
    assert run.data.metrics["challenger/val/gap"] == result["challenger_gap"]
    assert run.data.metrics["champion/val/gap"] == result["champion_gap"]
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith(f"**Version 2 of {registered} is promoted.** {result['reason']}")
    assert json.loads(store.text(result["run_id"], "record.json"))["id"] == record["id"]
    page = store.text(result["run_id"], "report.html")
    assert page.count("data:image/png;base64,") == 3
    assert "fails" not in page


def test_promoting_again_changes_nothing(client, store, registered):
    crown(client, registered, 2)
    before = audit.read(store.client, registered)
    again = promote(store, registered, "version=2")
    assert (again["promoted"], again["champion"]) == (False, 2)
    assert again["reason"] == "Version 2 is the champion already."
    assert audit.read(store.client, registered) == before


def test_a_worse_challenger_is_refused_and_that_is_recorded(client, store, registered):
    crown(client, registered, 2)
    result = promote(store, registered, "version=1")
    assert result["promoted"] is False
    assert "GAP must gain at least 0.001, and gains -0." in result["reason"]
    assert aliases_of(store, registered) == {"champion": 2}
    last = audit.read(store.client, registered).records[-1]
    assert (last.kind, last.version, last.champion) == ("refuse", 1, 2)
    assert "fails" in store.text(result["run_id"], "report.html")
    assert "is refused.**" in store.get(result["run_id"]).data.tags["mlflow.note.content"]


def test_by_default_the_best_version_that_was_not_judged_is(store, registered):
    for version, gap in (("1", "0.1"), ("2", "0.5")):
        store.client.set_model_version_tag(registered, version, "val/gap", gap)
    assert promote(store, registered)["challenger"] == 2
    assert promote(store, registered)["challenger"] == 1
    left = promote(store, registered)
    assert (left["promoted"], left["challenger"]) == (False, None)
    assert "No version is left to judge" in left["reason"]


def test_a_run_is_promoted_by_its_model_which_becomes_one_version(client, store, trained):
    name = f"by run {next(NUMBERS)}"
    words = (f"run_id={trained['run_id']}",)
    assert promote(store, name, *words)["promoted"] is True
    assert promote(store, name, *words)["reason"] == "Version 1 is the champion already."
    assert len(versions.find(client, name)) == 1


@pytest.mark.parametrize("champion", [1, None])
def test_whoever_trained_on_the_evaluation_shards_is_refused(client, store, registered, champion):
    if champion:
        crown(client, registered, 1)
    result = promote(store, registered, "version=2", f"shards={SHARD}")
    assert result["promoted"] is False
    assert (
        "Version 2 must not have trained on the evaluation shards, but it did on 1 of 1"
        in (result["reason"])
    )
    assert ("Version 1 must not" in result["reason"]) is bool(champion)
    assert result["challenger_gap"] is None


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (swap_two_classes, "The classes must be those of the champion"),
        (drop_the_signature, "Version 3 must have a signature, but has none"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(client, store, registered, altered, change, part):
    crown(client, registered, 2)
    version = altered(registered, change)
    result = promote(store, registered, f"version={version}")
    assert result["promoted"] is False
    assert part in result["reason"]
    assert aliases_of(store, registered) == {"champion": 2}


def test_a_champion_that_was_deleted_stops_everything_until_one_is_restored(
    client, store, registered
):
    crown(client, registered, 1)
    crown(client, registered, 2)
    store.client.delete_model_version(registered, "2")
    outcome = store.run("promote", f"name='{registered}'", *QUICK)
    assert outcome.status == 2
    assert "the champion by record 2" in outcome.sentence
    assert "is deleted. Restore one: yt8m rollback" in outcome.sentence
    assert store.done("rollback", f"name='{registered}'")["champion"] == 1


def test_two_promoters_at_once_do_not_both_replace_the_same_champion(
    client, store, registered, trained
):
    store.client.create_model_version(registered, trained["model_uri"], trained["run_id"])
    crown(client, registered, 1)
    running = [
        store.start("promote", f"name='{registered}'", f"version={version}", *QUICK)
        for version in (2, 3)
    ]
    outcomes = [one.wait() for one in running]
    assert [outcome.status for outcome in outcomes] == [0, 0], outcomes
    assert sorted(outcome.result["promoted"] for outcome in outcomes) == [False, True]
    chain = audit.read(store.client, registered)
    assert len(chain.switches) == 2
    assert aliases_of(store, registered) == {"champion": chain.champion, "previous": 1}


@pytest.fixture
def server(store, monkeypatch):
    """A real server of the store, which the verbs of the test talk to."""
    server = Server(store.folder)
    monkeypatch.setitem(store.environment, "MLFLOW_TRACKING_URI", server.uri)
    server.start()
    server.wait()
    yield server
    server.kill()


def test_a_server_that_goes_away_in_the_middle_is_named_and_promote_works_once_it_is_back(
    client, store, registered, server
):
    crown(client, registered, 1)
    words = (f"name='{registered}'", *QUICK, "version=2")
    promoting, _ = store.start_run("promote", *words, "tracking.patience=1")
    promoting.until(lambda: "Predicting" in promoting.read("err"))
    server.kill()
    gone = promoting.wait()
    assert gone.status == os.EX_TEMPFAIL
    assert f"No tracking server answers at {server.uri}" in gone.sentence
    assert "Then start the same command again." in gone.sentence
    assert aliases_of(store, registered)["champion"] == 1
    server.start()
    server.wait()
    assert promote(store, registered, "version=2")["promoted"] is True
    assert aliases_of(store, registered) == {"champion": 2, "previous": 1}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("version=99",), "No version 99 of"),
        (("version=one",), "`version` must be an integer, but got version='one'"),
        (("run_id=nothing",), "No run 'nothing' in"),
        (("sweep=nothing",), "No finished run of a sweep 'nothing'"),
        (("version=1", "run_id=0123"), "One of version, run_id and sweep may be given"),
        (("version=1", "shards=nowhere/*"), "No shard matches 'nowhere/*'"),
        (("policy.confidence=2",), "`policy.confidence < 1` must hold"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(store, registered, words, sentence):
    outcome = store.run("promote", f"name='{registered}'", *QUICK, *words)
    assert outcome.status == 2
    assert sentence in outcome.sentence
    assert "Traceback" not in outcome.err


def test_a_registered_model_that_does_not_exist_is_named(store, trained):
    outcome = store.run("promote", "name=nobody", *QUICK)
    assert outcome.status == 2
    assert "No registered model 'nobody'" in outcome.sentence

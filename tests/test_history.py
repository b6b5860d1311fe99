import itertools
from dataclasses import replace

import pytest

from yt8m_exp.registry import aliases, audit

NUMBERS = itertools.count()


@pytest.fixture
def promoted(client, trained):
    """A registered model whose versions 1 and 2 became champion, and 3 was refused."""
    name = f"told {next(NUMBERS)}"
    client.create_registered_model(name)
    run_id = client.create_run("0").info.run_id
    for kind, version in (("promote", 1), ("promote", 2), ("refuse", 3)):
        client.create_model_version(name, trained["model_uri"])
        chain = aliases.settle(client, name)
        decision = audit.record(
            chain,
            kind,
            version,
            champion=chain.champion,
            reason=f"as measured, {version}",
            run_id=run_id,
            evidence={"gap": 0.1 * version},
        )
        audit.append(client, name, decision)
        aliases.settle(client, name)
    return name


def history(store, name):
    return store.done("history", f"name='{name}'")


def test_every_decision_is_told_with_its_evidence(store, promoted):
    result = history(store, promoted)
    assert (result["champion"], result["previous"], result["problems"]) == (2, 1, [])
    decisions = result["decisions"]
    assert [(d["kind"], d["from"], d["to"], d["switched"]) for d in decisions] == [
        ("promote", None, 1, True),
        ("promote", 1, 2, True),
        ("refuse", 2, 3, False),
    ]
    assert decisions[1]["evidence"] == {"gap": 0.2}


def test_nothing_is_lost_when_runs_and_versions_are_deleted(store, promoted):
    before = history(store, promoted)
    for decision in before["decisions"]:
        if store.get(decision["run_id"]).info.lifecycle_stage == "active":
            store.client.delete_run(decision["run_id"])
    for version in ("1", "3"):
        store.client.delete_model_version(promoted, version)
    assert history(store, promoted) == before


def test_it_is_shown_to_people_too(store, promoted):
    outcome = store.run("history", f"name='{promoted}'")
    assert "promote 1 > 2: as measured, 2" in outcome.err


def test_what_is_not_in_order_is_said(store, promoted):
    client, decisions = store.client, audit.decisions_of(promoted)
    client.set_registered_model_alias(promoted, "champion", "3")
    first = audit.read(client, promoted).records[0]
    client.set_model_version_tag(decisions, "1", "record", replace(first, by="nobody").to_json())
    client.delete_model_version(decisions, "3")
    problems = history(store, promoted)["problems"]
    assert "Record 1 was changed after the next switch was recorded." in problems
    assert any("The alias is on version 3, but by record it belongs to 2" in p for p in problems)


def test_a_switch_that_waits_for_its_aliases_is_said(store, promoted):
    chain = audit.read(store.client, promoted)
    waiting = audit.record(chain, "promote", 3, champion=2, reason="cut")
    audit.append(store.client, promoted, waiting)
    (problem,) = history(store, promoted)["problems"]
    assert "The aliases for record 4 are not set yet" in problem


def test_a_model_without_decisions_has_a_history_too(store, trained):
    result = history(store, "tagger")
    assert result["decisions"] == []
    assert store.run("history", "name=nobody").status == 2

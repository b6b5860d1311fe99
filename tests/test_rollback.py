import itertools

import pytest

from yt8m_exp.registry import aliases, audit, versions

NUMBERS = itertools.count()


@pytest.fixture
def promoted(client, trained):
    """A registered model of four versions, of which 1, 2 and 3 became champion in this order."""
    name = f"rolled {next(NUMBERS)}"
    client.create_registered_model(name)
    for _ in range(4):
        client.create_model_version(name, trained["model_uri"])
    for version in (1, 2, 3):
        chain = aliases.settle(client, name)
        words = {"champion": chain.champion, "reason": "better"}
        audit.append(client, name, audit.record(chain, "promote", version, **words))
    aliases.settle(client, name)
    return name


def rollback(store, name, *words):
    return store.done("rollback", f"name='{name}'", *words)


def test_each_rollback_goes_one_champion_further_back_with_a_record(store, promoted):
    first = rollback(store, promoted, "reason='it fails on short videos'")
    assert (first["changed"], first["champion"], first["before"]) == (True, 2, 3)
    assert versions.aliases(store.client, promoted) == {"champion": 2, "previous": 1}
    assert rollback(store, promoted)["champion"] == 1
    records = audit.read(store.client, promoted).records[-2:]
    assert [(r.kind, r.version, r.champion) for r in records] == [
        ("rollback", 2, 3),
        ("rollback", 1, 2),
    ]
    assert records[0].reason == "it fails on short videos"
    assert records[0].run_id == first["run_id"]
    before = store.run_ids()
    outcome = store.run("rollback", f"name='{promoted}'")
    assert outcome.status == 2
    assert "has no champion before version 1" in outcome.sentence
    assert store.run_ids() == before


def test_a_version_may_be_named(store, promoted):
    assert rollback(store, promoted, "version=1")["champion"] == 1
    assert rollback(store, promoted, "version=4")["champion"] == 4


def test_a_rollback_to_the_champion_changes_nothing(store, promoted):
    before = audit.read(store.client, promoted)
    assert rollback(store, promoted, "version=3")["changed"] is False
    assert audit.read(store.client, promoted) == before


@pytest.mark.parametrize("version", [3, 4])
def test_an_alias_that_was_moved_by_hand_is_put_where_someone_decides(store, promoted, version):
    store.client.set_registered_model_alias(promoted, "champion", "4")
    assert rollback(store, promoted, f"version={version}")["changed"] is True
    assert aliases.current(store.client, promoted)[1] == version
    decision = audit.read(store.client, promoted).records[-1]
    assert (decision.champion, decision.reason) == (3, "Back from version 3.")


def test_a_version_that_was_deleted_is_refused_with_the_others(store, promoted):
    store.client.delete_model_version(promoted, "2")
    outcome = store.run("rollback", f"name='{promoted}'")
    assert outcome.status == 2
    assert "Version 2 of" in outcome.sentence
    assert "was champion, 1: version=..." in outcome.sentence


def test_a_registered_model_that_does_not_exist_is_named(store, trained):
    outcome = store.run("rollback", "name=nobody")
    assert outcome.status == 2
    assert "No registered model 'nobody'" in outcome.sentence

from dataclasses import replace

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

from tests.registry.switches import in_order, switch
from yt8m_exp.registry import aliases, audit, versions


def test_the_first_champion_gets_the_alias_and_has_none_before(client, model):
    _, chain = switch(client, model, 1)
    assert (chain.champion, chain.previous, chain.last.completed) == (1, None, True)
    assert versions.aliases(client, model) == {"champion": 1}


def test_the_aliases_follow_each_switch(client, model):
    for version in (1, 3, 2):
        switch(client, model, version)
        assert in_order(client, model)
    assert versions.aliases(client, model) == {"champion": 2, "previous": 3}


@pytest.mark.parametrize(
    "change", ["set_registered_model_tag", "set_model_version_tag", "set_registered_model_alias"]
)
def test_a_change_that_another_process_makes_at_that_moment_is_made_again(
    client, model, monkeypatch, change
):
    made, refused = getattr(MlflowClient, change), set()

    def met(self, *arguments):
        if arguments not in refused:
            refused.add(arguments)
            raise MlflowException("duplicate key value violates a constraint", BAD_REQUEST)
        return made(self, *arguments)

    monkeypatch.setattr(MlflowClient, change, met)
    _, chain = switch(client, model, 1)
    assert refused
    assert chain.last.completed
    assert in_order(client, model)


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_switch_that_was_cut_anywhere_is_completed_by_the_next(client, model, done):
    switch(client, model, 1)
    chain = aliases.settle(client, model)
    decision = audit.record(chain, "promote", 2, champion=1, reason="cut")
    audit.append(client, model, decision)
    steps = [
        lambda: client.set_model_version_tag(model, "2", "decision.000002", decision.to_json()),
        lambda: client.set_registered_model_alias(model, "previous", "1"),
        lambda: client.set_registered_model_alias(model, "champion", "2"),
    ]
    for step in steps[:done]:
        step()
    chain = aliases.settle(client, model)
    assert chain.last.completed
    assert versions.aliases(client, model) == {"champion": 2, "previous": 1}
    assert "decision.000002" in client.get_model_version(model, "2").tags


@pytest.mark.parametrize("before", [None, 1])
def test_a_switch_to_a_version_that_was_deleted_is_taken_back(client, model, before):
    if before:
        switch(client, model, before)
    chain = aliases.settle(client, model)
    audit.append(client, model, audit.record(chain, "promote", 2, champion=before, reason="cut"))
    client.delete_model_version(model, "2")
    chain = aliases.settle(client, model)
    assert (chain.last.kind, chain.champion) == ("void", before)
    assert "Version 2 was deleted before it became champion" in chain.last.reason
    assert in_order(client, model)
    assert switch(client, model, 3)[1].champion == 3
    assert in_order(client, model)


def test_a_switch_that_another_host_began_is_left_to_it_for_a_while(client, model, monkeypatch):
    monkeypatch.setattr(aliases, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(aliases, "POLL_SECONDS", 0.05)
    chain = aliases.settle(client, model)
    elsewhere = audit.record(chain, "promote", 2, champion=None, reason="elsewhere")
    audit.append(client, model, replace(elsewhere, by="someone@elsewhere"))
    polls = []
    monkeypatch.setattr(aliases.time, "sleep", lambda seconds: polls.append(seconds))
    assert aliases.settle(client, model).champion == 2
    assert polls
    assert in_order(client, model)


def test_a_champion_from_before_there_were_records_is_taken_over(client, model):
    client.set_registered_model_alias(model, "champion", "3")
    assert aliases.current(client, model)[1] == 3
    _, chain = switch(client, model, 4)
    assert (chain.champion, chain.previous) == (4, 3)
    assert in_order(client, model)


def test_an_alias_that_was_moved_by_hand_is_refused_until_someone_decides(client, model):
    switch(client, model, 1)
    switch(client, model, 2)
    client.set_registered_model_alias(model, "champion", "4")
    with pytest.raises(
        ValueError, match=r"is on version 4, but by record 2 .* version 2: it was moved"
    ):
        aliases.current(client, model)


@pytest.mark.parametrize(
    ("lose", "part"),
    [
        (lambda client, name: client.delete_model_version(name, "2"), "is deleted"),
        (lambda client, name: client.delete_registered_model_alias(name, "champion"), "lost its"),
    ],
)
def test_a_champion_that_is_gone_is_refused_with_the_way_back(client, model, lose, part):
    switch(client, model, 1)
    switch(client, model, 2)
    lose(client, model)
    with pytest.raises(ValueError, match=f"{part}.* Restore one: .* version=1"):
        aliases.current(client, model)


def test_only_champions_that_are_there_can_be_restored(client, model):
    for version in (1, 2, 3, 4):
        switch(client, model, version)
    for version in ("2", "3"):
        client.delete_model_version(model, version)
    chain = audit.read(client, model)
    assert (chain.previous, aliases.restorable(client, model, chain)) == (3, [1])
    client.delete_registered_model_alias(model, "champion")
    with pytest.raises(ValueError, match=r"lost its alias\. Restore one: .* version=1"):
        aliases.current(client, model)


def test_a_previous_champion_that_was_deleted_has_no_alias(client, model):
    switch(client, model, 1)
    switch(client, model, 2)
    client.delete_model_version(model, "2")
    chain = audit.read(client, model)
    decision = audit.record(chain, "rollback", 3, champion=2, reason="away")
    audit.append(client, model, decision)
    aliases.settle(client, model)
    assert versions.aliases(client, model) == {"champion": 3}

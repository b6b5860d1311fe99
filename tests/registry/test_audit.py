import json
from dataclasses import replace

import pytest

from tests.registry.switches import in_order, switch
from yt8m_exp.registry import aliases, audit, versions


def test_a_record_is_kept_with_its_evidence_beside_and_on_the_version(client, model):
    decision, chain = switch(client, model, 3)
    (kept,) = chain.records
    assert replace(kept, number=0, completed=False) == decision
    tag = client.get_model_version(model, "3").tags["decision.000001"]
    assert json.loads(tag)["evidence"] == {"gap": 0.5}
    shown = client.get_model_version(audit.decisions_of(model), "1")
    assert shown.description == "to 3"


def test_a_refusal_is_kept_and_changes_nothing(client, model):
    switch(client, model, 1)
    switch(client, model, 2, kind="refuse")
    chain = audit.read(client, model)
    assert [record.kind for record in chain.records] == ["promote", "refuse"]
    assert versions.aliases(client, model) == {"champion": 1}


def test_of_two_decisions_after_the_same_switch_the_second_is_void(client, model):
    switch(client, model, 1)
    chain = audit.read(client, model)
    for version in (2, 3):
        audit.append(
            client, model, audit.record(chain, "promote", version, champion=1, reason="better")
        )
    chain = aliases.settle(client, model)
    assert chain.champion == 2
    assert [record.version for record in chain.too_late] == [3]
    assert in_order(client, model)


@pytest.mark.parametrize("deleted", [[2], [3], [1, 2, 3]], ids=str)
def test_deleted_records_are_told_until_someone_decides(client, model, deleted):
    for version in (1, 2, 3):
        switch(client, model, version)
    for number in deleted:
        client.delete_model_version(audit.decisions_of(model), str(number))
    numbers = ", ".join(map(str, deleted))
    with pytest.raises(ValueError, match=f"Records? {numbers} of .* deleted.* Decide: .*version=3"):
        aliases.current(client, model)
    chain = aliases.settle(client, model)
    assert audit.lost(client, model, chain) == deleted
    audit.append(client, model, audit.record(chain, "rollback", 3, champion=3, reason="decided"))
    aliases.settle(client, model)
    assert aliases.current(client, model)[1] == 3


def test_a_decision_that_is_made_while_the_chain_is_read_is_not_taken_for_a_deleted_one(
    client, model
):
    switch(client, model, 1)
    before = audit.read(client, model)
    switch(client, model, 2)
    assert audit.lost(client, model, before) == []


def test_a_version_that_is_no_record_is_named(client, model, trained):
    client.create_registered_model(audit.decisions_of(model))
    client.create_model_version(audit.decisions_of(model), trained["model_uri"])
    with pytest.raises(ValueError, match=r"Version 1 of .*decisions must hold .*delete it: python"):
        audit.read(client, model)

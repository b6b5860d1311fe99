import itertools
from dataclasses import replace

from yt8m_exp.registry.chain import Chain, Record

NUMBERS = itertools.count()


def record(number, kind, version, champion, after, after_digest=None) -> Record:
    return Record(
        kind=kind,
        version=version,
        champion=champion,
        after=after,
        after_digest=after_digest,
        at="2026-01-01T00:00:00.000+00:00",
        by="me@here",
        run_id=None,
        reason="",
        id=str(next(NUMBERS)),
        number=number,
    )


PROMOTED = [
    record(1, "promote", 1, None, None),
    record(2, "promote", 4, 1, 1),
    record(3, "promote", 5, 4, 2),
]


def test_without_records_there_is_no_champion():
    chain = Chain.of([])
    assert (chain.champion, chain.previous, chain.last) == (None, None, None)


def test_promotions_lead_to_the_last_one():
    chain = Chain.of(PROMOTED)
    assert (chain.line, chain.champion, chain.previous) == ((1, 4, 5), 5, 4)


def test_the_order_in_which_records_are_read_does_not_matter():
    assert Chain.of(PROMOTED[::-1]) == Chain.of(PROMOTED)


def test_of_two_decided_after_the_same_switch_the_first_holds():
    late = record(4, "promote", 9, 4, 2)
    chain = Chain.of([*PROMOTED, late])
    assert chain.champion == 5
    assert chain.too_late == [late]
    assert Chain.of([*PROMOTED, late, record(5, "promote", 9, 5, 3)]).champion == 9


def test_the_same_record_sent_twice_switches_once():
    again = replace(PROMOTED[2], number=4)
    assert Chain.of([*PROMOTED, again]).line == (1, 4, 5)


def test_what_names_a_refusal_or_nothing_switches_nothing():
    refused = record(4, "refuse", 6, 5, 3)
    chain = Chain.of([*PROMOTED, refused, record(5, "promote", 7, 5, 4)])
    assert chain.champion == 5
    assert Chain.of([*PROMOTED, record(4, "promote", 7, None, None)]).champion == 5


def test_a_refusal_does_not_disturb_what_is_decided_beside_it():
    chain = Chain.of([*PROMOTED, record(4, "refuse", 6, 5, 3), record(5, "promote", 7, 5, 3)])
    assert (chain.champion, chain.previous) == (7, 5)


def test_what_follows_a_deleted_record_is_not_too_late_but_unconnected():
    late = record(4, "promote", 9, 4, 2)
    chain = Chain.of([PROMOTED[0], PROMOTED[2], late, record(5, "promote", 6, 5, 3)])
    assert (chain.missing, chain.champion) == ({2}, 1)
    assert [one.number for one in chain.unconnected] == [3, 4, 5]
    assert chain.too_late == []


def test_rollbacks_go_further_back_each_time():
    chain = Chain.of([*PROMOTED, record(4, "rollback", 4, 5, 3)])
    assert (chain.champion, chain.previous) == (4, 1)
    chain = Chain.of([*chain.records, record(5, "rollback", 1, 4, 4)])
    assert (chain.champion, chain.previous) == (1, None)


def test_a_rollback_to_a_version_that_was_never_champion_is_a_step_forward():
    chain = Chain.of([*PROMOTED, record(4, "rollback", 2, 5, 3)])
    assert (chain.champion, chain.previous) == (2, 5)


def test_a_champion_made_by_hand_is_where_the_first_switch_came_from():
    chain = Chain.of([record(1, "promote", 8, 3, None)])
    assert (chain.champion, chain.previous) == (8, 3)


def test_a_void_takes_the_last_switch_back():
    chain = Chain.of([*PROMOTED, record(4, "void", 4, 5, 3)])
    assert (chain.champion, chain.previous) == (4, 1)
    first = Chain.of([PROMOTED[0], record(2, "void", None, 1, 1)])
    assert (first.champion, first.line) == (None, ())
    assert Chain.of([*first.records, record(3, "promote", 2, None, 2)]).champion == 2


def test_a_record_is_what_was_stored():
    stored = PROMOTED[0].to_json()
    assert Record.from_json(stored, number=1, completed=False) == PROMOTED[0]
    assert Record.from_json(stored, number=7, completed=True).digest == PROMOTED[0].digest


def test_a_record_that_was_changed_shows():
    linked = [PROMOTED[0]]
    for one in PROMOTED[1:]:
        linked.append(replace(one, after_digest=linked[-1].digest))
    assert Chain.of(linked).altered == []
    forged = replace(linked[1], reason="because I say so")
    assert Chain.of([linked[0], forged, linked[2]]).altered == [forged]

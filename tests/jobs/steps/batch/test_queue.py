"""The queue of shards: units shrink, lost shards come back, nothing is held by one that is slow."""

from yt8m_exp.jobs.steps.batch.queue import ATTEMPTS, MOST_SHARDS, Queue

LOST = "was killed."


def test_units_shrink_towards_the_end_and_hold_each_shard_once():
    queue = Queue(dict.fromkeys(range(100), 1000), workers=2)
    units = []
    while queue.has_waiting:
        units.append(queue.take())
    assert [place for unit in units for place in unit] == list(range(100))
    assert len(units[0]) == 12
    assert [len(unit) for unit in units[-8:]] == [1] * 8
    assert sorted(map(len, units), reverse=True) == list(map(len, units))


def test_a_unit_is_bounded_however_small_its_shards_are():
    queue = Queue(dict.fromkeys(range(10_000), 1), workers=1)
    assert len(queue.take()) == MOST_SHARDS


def test_a_large_shard_is_a_unit():
    queue = Queue({0: 1 << 40, 1: 1, 2: 1}, workers=1)
    assert queue.take() == [0]


def test_shards_of_a_lost_worker_go_to_others():
    queue = Queue(dict.fromkeys(range(8), 1000), workers=1)
    unit = queue.take()
    assert queue.done(unit[0])
    queue.lost(unit[1:], LOST)
    assert sorted(place for _ in range(7) for place in queue.take()) == list(range(1, 8))
    assert not queue.has_waiting


def test_what_a_slow_worker_has_is_given_to_another_but_once():
    queue = Queue(dict.fromkeys(range(4), 1000), workers=1)
    units = [queue.take() for _ in range(4)]
    assert units == [[0], [1], [2], [3]]
    queue.done(0)
    again = queue.take()
    assert again == [3, 2]  # last ones first: the other worker does them in order
    assert queue.take() == [1]
    assert queue.take() == []
    assert [queue.done(place) for place in (1, 2, 3, 3)] == [True, True, True, False]
    assert queue.is_done


def test_a_copy_that_is_lost_does_not_come_back_while_another_worker_has_it():
    queue = Queue({0: 1}, workers=2)
    assert queue.take() == queue.take() == [0]
    queue.lost([0], LOST)
    assert not queue.has_waiting
    queue.lost([0], LOST)
    assert queue.take() == [0]


def test_a_shard_at_which_workers_die_is_given_up():
    queue = Queue({0: 1, 1: 1}, workers=1)
    for _ in range(ATTEMPTS):
        queue.lost(queue.take() + queue.take(), LOST)
    assert queue.failed[0] == f"{ATTEMPTS} workers were lost at it; the last {LOST}"
    assert 1 not in queue.failed
    queue.done(1)
    assert queue.is_done

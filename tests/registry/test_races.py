import pytest

from benchmarks import races
from yt8m_exp.registry import aliases

PROMOTERS, ROUNDS, ROUND_SECONDS = 16, 2, 10.0
KILL_SECONDS = 2.5


@pytest.mark.timeout(600)
def test_whoever_races_and_is_killed_there_is_one_chain_and_the_aliases_are_its_end(
    postgres, tmp_path, monkeypatch
):
    """What `benchmarks.races` shows for longer."""
    monkeypatch.setattr(aliases, "GRACE_SECONDS", races.GRACE_SECONDS)
    monkeypatch.setattr(races, "KILL_SECONDS", KILL_SECONDS)
    races.make(postgres, "raced")
    for _ in range(ROUNDS):
        assert races.race(postgres, "raced", tmp_path, PROMOTERS, ROUND_SECONDS) > PROMOTERS
        found = races.check(postgres, "raced")
    assert not found.startswith("0 switches"), found

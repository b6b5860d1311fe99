import pytest

from tests.tuning import kills

TOTAL = 8


@pytest.mark.parametrize(("storage", "drivers"), [("journal", 2), ("postgres", 2)])
def test_whoever_is_killed_a_study_ends_at_exactly_its_total(studies, request, storage, drivers):
    if storage == "postgres":
        studies.url = request.getfixturevalue("postgres")
    studies.study |= {
        "trials": TOTAL,
        "pruner": {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 2},
    }
    assert kills.disturbed(studies, drivers=drivers, kills=5, seed=len(storage)).total() > 0
    assert kills.faults(studies, TOTAL) == []

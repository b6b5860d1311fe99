import pytest

from yt8m_exp.registry import versions


def test_a_run_that_logged_no_model_is_refused(client):
    run_id = client.create_run("0").info.run_id
    with pytest.raises(ValueError, match="must have logged its best model"):
        versions.model_of_run(client, run_id)


def test_next_is_the_version_with_the_alias_or_else_of_the_highest_gap(client, model):
    of_old = "gap"
    for version, key, gap in ((1, "val/gap", "0.5"), (3, of_old, "0.7"), (4, "val/gap", "0.6")):
        client.set_model_version_tag(model, str(version), key, gap)
    assert versions.challenger(client, model, exclude=()) == 3
    assert versions.challenger(client, model, exclude={3}) == 4
    assert versions.challenger(client, model, exclude={1, 3, 4}) == 2
    assert versions.challenger(client, model, exclude={1, 2, 3, 4}) is None
    client.set_registered_model_alias(model, "challenger", "1")
    assert versions.challenger(client, model, exclude=()) == 1
    assert versions.challenger(client, model, exclude={1}) == 3


@pytest.mark.parametrize("key", ["best/val/gap", "gap"])  # the second in older stores
def test_the_best_run_of_a_sweep_is_that_of_the_highest_gap(client, key):
    parent = client.create_run("0").info.run_id
    runs = []
    for gap, status in ((0.3, "FINISHED"), (0.6, "FINISHED"), (0.9, "FAILED")):
        tags = {"mlflow.parentRunId": parent, "trial.study": f"narrow, {key}"}
        run_id = client.create_run("0", tags=tags).info.run_id
        client.log_metric(run_id, key, gap)
        client.set_terminated(run_id, status)
        runs.append(run_id)
    assert versions.best_run_of_sweep(client, parent) == runs[1]
    assert versions.best_run_of_sweep(client, f"narrow, {key}") == runs[1]
    assert versions.best_runs_of_sweep(client, parent, 2) == [runs[1], runs[0]]
    assert versions.best_runs_of_sweep(client, parent, 9) == [runs[1], runs[0]]
    with pytest.raises(ValueError, match="No finished run of a sweep 'wide'"):
        versions.best_run_of_sweep(client, "wide")


def test_deleted_versions_do_not_exist(client, model):
    client.delete_model_version(model, "2")
    assert [int(found.version) for found in versions.find(client, model)] == [1, 3, 4]
    assert versions.exists(client, model, 1)
    assert not versions.exists(client, model, 2)
    assert not versions.exists(client, model, None)


def test_a_registered_model_that_does_not_exist_is_named(client, store):
    with pytest.raises(ValueError, match="No registered model 'nobody' in sqlite"):
        versions.aliases(client, "nobody")

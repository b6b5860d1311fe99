import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from yt8m_exp.registry import versions


def numbers(client, name) -> list[int]:
    return [int(found.version) for found in versions.find(client, name)]


def test_the_same_model_is_one_version_however_often_it_is_registered(client, trained, name):
    made = [versions.register(client, trained["model_uri"], name) for _ in range(3)]
    by_run = versions.register(client, f"runs:/{trained['run_id']}/best", name)
    assert [*made, by_run] == [1, 1, 1, 1]
    assert numbers(client, name) == [1]


def test_other_models_are_other_versions(client, trained, logged, name):
    uris = [trained["model_uri"], logged(), logged()]
    assert [versions.register(client, uri, name) for uri in uris] == [1, 2, 3]


def test_many_that_register_the_same_model_at_once_keep_one_version(client, trained, name):
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: versions.register(client, trained["model_uri"], name), "8" * 8)
        )
    assert len(set(made)) == 1
    assert numbers(client, name) == made[:1]


def test_a_version_holds_what_a_decision_needs(client, trained, name):
    version = versions.register(client, trained["model_uri"], name)
    found = client.get_model_version(name, str(version))
    tags = found.tags
    assert float(tags["val/gap"]) == trained["gap"]
    assert float(tags["val/map"]) == trained["map"]
    assert len(tags["data.digest"]) == 32
    assert tags["data.name"] == "yt8m-validate"
    assert int(tags["parameters"]) == (1024 + 128) * 3862 + 3862
    assert int(tags["bytes"]) > 4 * int(tags["parameters"])
    assert json.loads(tags["features"]) == {"mean_rgb": 1024, "mean_audio": 128}
    assert (tags["classes"], len(tags["vocabulary.digest"])) == ("3862", 32)
    assert tags["run_id"] == trained["run_id"]
    run = client.get_run(trained["run_id"]).data.tags
    assert tags.get("git.commit") == run.get("git.commit")


def test_a_version_keeps_what_it_holds_when_its_run_is_deleted(client, logged, trained, name):
    version = versions.register(client, trained["model_uri"], name)
    client.delete_run(trained["run_id"])
    try:
        tags = client.get_model_version(name, str(version)).tags
        assert float(tags["val/gap"]) == trained["gap"]
    finally:
        client.restore_run(trained["run_id"])


@pytest.mark.parametrize(
    "uri", ["models:/m-0123456789abcdef0123456789abcdef", "runs:/0123/best", "models:/nothing"]
)
def test_a_model_that_does_not_exist_is_refused_with_its_uri(client, name, uri):
    with pytest.raises(ValueError, match=r"No (logged model|run)"):
        versions.register(client, uri, name)


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
    assert numbers(client, model) == [1, 3, 4]
    assert versions.exists(client, model, 1)
    assert not versions.exists(client, model, 2)
    assert not versions.exists(client, model, None)


def test_a_registered_model_that_does_not_exist_is_named(client, store):
    with pytest.raises(ValueError, match="No registered model 'nobody' in sqlite"):
        versions.aliases(client, "nobody")

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.exceptions import MlflowException

from yt8m_exp.registry import registration, versions


def numbers(client, name) -> list[int]:
    return [int(found.version) for found in versions.find(client, name)]


def test_the_same_model_is_one_version_however_often_it_is_registered(client, trained, name):
    made = [registration.register(client, trained["model_uri"], name) for _ in range(3)]
    by_run = registration.register(client, f"runs:/{trained['run_id']}/best", name)
    assert [*made, by_run] == [1, 1, 1, 1]
    assert numbers(client, name) == [1]


def test_other_models_are_other_versions(client, trained, logged, name):
    uris = [trained["model_uri"], logged(), logged()]
    assert [registration.register(client, uri, name) for uri in uris] == [1, 2, 3]


def test_many_that_register_the_same_model_at_once_keep_one_version(client, trained, name):
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: registration.register(client, trained["model_uri"], name), "8" * 8)
        )
    assert len(set(made)) == 1
    assert numbers(client, name) == made[:1]


def test_a_version_holds_what_a_decision_needs(client, trained, name):
    version = registration.register(client, trained["model_uri"], name)
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
    version = registration.register(client, trained["model_uri"], name)
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
        registration.register(client, uri, name)


@pytest.mark.parametrize(("taken", "works"), [(0, True), (4, True), (50, False)])
def test_a_version_gets_a_number_though_others_take_the_next_ones(taken, works):
    answers = iter([MlflowException("Giving up after 3 attempts.")] * taken + [7])

    def make():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    if works:
        assert registration.numbered(make) == 7
    else:
        with pytest.raises(MlflowException, match="Giving up"):
            registration.numbered(make)


def test_another_error_is_raised_at_once():
    answers = iter([MlflowException("No such model"), MlflowException("Giving up after 3")])

    def make():
        raise next(answers)

    with pytest.raises(MlflowException, match="No such model"):
        registration.numbered(make)

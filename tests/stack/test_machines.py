"""Trainings and predictions on several machines: containers, each with a host name of its own."""

import json
import time

import numpy as np
import pytest
import requests

from tests.stack.machines import Machine, docker, verb
from tests.test_cloud import command, environment, template
from tests.test_submit import request
from tests.verbs import SHARD, sample_records, shard

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1500)]

SMALL = (
    "data.train=/data/validate0017.tfrecord",
    "data.validate=/data/validate0076.tfrecord",
    "~data.features.mean_rgb",
    "tracking.system_metrics=false",
    "figures=false",
)
WORDS = (*SMALL, "epochs=6", "evaluate_every=256", "checkpoint_seconds=0")
LONG = (*SMALL, "epochs=60", "evaluate_every=2560", "checkpoint_seconds=0", "batch_size=16")
VIDEOS, SLOW = 1, 0.25
"""Videos of each shard in the bucket, and cores of a machine that reads them."""
CUT_OFF_SECONDS = 60.0


class Bucket:
    """The stack's bucket, seen from the machine of the engine."""

    def __init__(self, stack):
        place = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = docker("inspect", "-f", place, stack.container("objects"))
        self._url = f"http://{address}:4443"

    def upload(self, name, data):
        query = {"uploadType": "media", "name": name}
        url = f"{self._url}/upload/storage/v1/b/yt8m/o"
        requests.post(url, params=query, data=data).raise_for_status()

    def names(self, prefix):
        found = requests.get(f"{self._url}/storage/v1/b/yt8m/o", params={"prefix": prefix}).json()
        return [item["name"] for item in found.get("items", [])]

    def read(self, name):
        url = f"{self._url}/storage/v1/b/yt8m/o/{name.replace('/', '%2F')}"
        return requests.get(url, params={"alt": "media"}).content


@pytest.fixture
def machines(stack):
    """Starts machines, and removes them after the test."""
    made = []

    def start(words, **options):
        made.append(Machine(stack, words, **options))
        return made[-1]

    yield start
    for machine in made:
        docker("rm", "-fv", machine.id)


@pytest.fixture
def workers(machines):
    """Starts a training on so many machines, with the variables of the template of jobs."""

    def start(count, *words):
        hosts = [f"yt8m-2026-{index}.yt8m-workers" for index in range(count)]
        started = []
        for index, host in enumerate(hosts):
            config = json.loads(environment("workers", index)["TF_CONFIG"])
            if count == 2:
                assert config["cluster"]["worker"] == [f"{host}:2222" for host in hosts]
            config["cluster"]["worker"] = [f"{host}:2222" for host in hosts]
            variables = {"TF_CONFIG": json.dumps(config)}
            started.append(machines(verb("train", *words), names=[host], environment=variables))
        return started

    return start


@pytest.fixture(scope="module")
def alone(stack, tmp_path_factory):
    """The training of one machine whose batch is 32: its last line, and its weights."""
    machine = Machine(stack, verb("train", *WORDS, "batch_size=32"))
    result = machine.done()
    return result, weights(machine, result, tmp_path_factory.mktemp("alone"))


def weights(machine, result, folder):
    """The arrays of the last checkpoint in a machine's file system."""
    docker("cp", f"{machine.id}:/project/runs/{result['run_id']}/checkpoints", str(folder))
    with np.load(max((folder / "checkpoints").glob("checkpoint-*.npz"))) as arrays:
        return {name: arrays[name] for name in arrays.files if name != "state"}  # what it has seen


@pytest.mark.parametrize("count", [2, 4])
def test_several_machines_end_with_the_weights_of_one(workers, alone, tmp_path, count):
    first, *others = workers(count, *WORDS, f"batch_size={32 // count}")
    result = first.done()
    assert [machine.wait().status for machine in others] == [0] * len(others)
    expected_result, expected = alone
    found = weights(first, result, tmp_path)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5, err_msg=name)
    assert result["gap"] == pytest.approx(expected_result["gap"], abs=1e-4)


def test_a_machine_that_is_lost_ends_the_training_in_a_sentence_and_all_resume(
    stack, workers, tmp_path
):
    straight = workers(2, *LONG)[0].done()
    first, second = workers(2, *LONG)
    while ".npz" not in docker("diff", first.id):
        assert docker("inspect", "-f", "{{.State.Running}}", first.id) == "true", first.logs()
        time.sleep(0.1)
    second.kill()
    ended = first.wait()
    assert ended.status == 1, ended.err
    run_id = ended.sentence.partition("resume=")[2].split()[0].strip(".,;")
    assert curves(stack, run_id)["status"] == "FAILED"
    resumed = [machine.wait() for machine in workers(2, f"resume={run_id}")]
    assert [outcome.status for outcome in resumed] == [0, 0], resumed[0].err
    assert resumed[0].result["gap"] == straight["gap"]
    assert curves(stack, run_id) == curves(stack, straight["run_id"])


def curves(stack, run_id):
    """A run's status, and the points of its curves."""
    api = "/api/2.0/mlflow"
    run = stack.get(f"{api}/runs/get?run_id={run_id}", "rita").json()["run"]
    found = {"status": run["info"]["status"]}
    for key in ("val/gap", "val/loss", "train/loss", "learning_rate"):
        query = f"run_id={run_id}&metric_key={key}"
        answer = stack.get(f"{api}/metrics/get-history?{query}", "rita").json()
        points = answer.get("metrics", [])  # a curve without a point is left out
        found[key] = sorted((int(point["step"]), point["value"]) for point in points)
    return found


@pytest.mark.parametrize("name", ["one_gpu", "four_gpus"])
def test_the_command_of_a_kubernetes_job_trains_in_the_image(machines, name):
    container = template(name)["spec"]["template"]["spec"]["containers"][0]
    train, validate, *free = SMALL
    given = {"epochs": "1", "overrides": " ".join(free)}
    given |= {"train": train.partition("=")[2], "validate": validate.partition("=")[2]}
    machine = machines(command("train", given))
    assert docker("inspect", "-f", "{{.Config.WorkingDir}}", machine.id) == container["workingDir"]
    assert machine.done()["examples"] == 256


@pytest.mark.parametrize("shape", ["one_gpu", "four_gpus", "workers"])
def test_the_command_of_a_vertex_job_trains_in_the_image(machines, monkeypatch, shape):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    words = json.dumps([*SMALL, "epochs=1", "batch_size=128"])
    pools = request(f"shape={shape}", f"overrides={words}")["job_spec"]["worker_pool_specs"]
    started = []
    for pool, variables in zip(pools, vertex_places(len(pools)), strict=True):
        container = pool["container_spec"]
        variables |= {one["name"]: one["value"] for one in container["env"]}
        given = [*container["command"], *container["args"]]
        host = f"job-workerpool{len(started)}-0"
        started.append(machines(given, names=[host], environment=variables))
    outcomes = [machine.wait() for machine in started]
    assert [outcome.status for outcome in outcomes] == [0] * len(pools), outcomes
    assert outcomes[0].result["examples"] == 256


def vertex_places(pools):
    """The TF_CONFIG of each pool of one machine, as Vertex AI sets it: the first is the chief."""
    if pools == 1:
        return [{}]
    cluster = {"chief": ["job-workerpool0-0:2222"], "worker": ["job-workerpool1-0:2222"]}
    tasks = [{"type": "chief", "index": 0}, {"type": "worker", "index": 0}]
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


@pytest.fixture(scope="module")
def shards(stack, tmp_path_factory):
    """Shards in the bucket, of a few videos each, and one that is corrupt; returns how many."""
    bucket, folder = Bucket(stack), tmp_path_factory.mktemp("shards")
    records = sample_records(SHARD)
    count = len(records) // VIDEOS
    for number in range(count):
        some = records[VIDEOS * number : VIDEOS * (number + 1)]
        data = shard(folder / f"test{number:04d}.tfrecord", *some).read_bytes()
        if number == count - 2:  # its only record
            data = data[:-40] + bytes(40)
        bucket.upload(f"shards/test{number:04d}.tfrecord", data)
    return count


def test_a_prediction_on_a_dask_cluster_survives_a_machine_that_dies_and_one_that_is_cut_off(
    stack, machines, alone, shards, tmp_path
):
    model, bucket = alone[0]["model_uri"], Bucket(stack)
    words = (f"model_uri={model}", "shards=gs://yt8m/shards/*.tfrecord", "on_bad_record=skip")
    words += ("tracking.system_metrics=false", "page=false")
    undisturbed = machines(verb("inference", *words, "output=gs://yt8m/alone.csv", "batch_size=1"))
    assert undisturbed.done()["videos"] == VIDEOS * shards - 1

    machines(["dask", "scheduler"], names=["scheduler"])
    worker = ["dask", "worker", "tcp://scheduler:8786", "--nthreads", "1"]
    worker += ["--local-directory", "/tmp/dask"]
    dies, cut_off = (machines(worker, cpus=SLOW) for _ in range(2))
    cluster = ("launcher=dask", "launcher.address=tcp://scheduler:8786", "slots=2", "batch_size=1")
    driver = machines(verb("inference", *words, "output=gs://yt8m/dask.csv", *cluster))
    while not (parts := bucket.names("dask.csv.parts/")):
        assert docker("inspect", "-f", "{{.State.Running}}", driver.id) == "true", driver.logs()
        time.sleep(0.02)
    cut_off.cut_off()
    dies.kill()
    assert len(parts) < shards, "The workers were too fast to be disturbed."
    time.sleep(CUT_OFF_SECONDS)
    cut_off.plug_in()
    assert driver.done()["videos"] == VIDEOS * shards - 1
    assert bucket.read("dask.csv") == bucket.read("alone.csv")


def test_a_corrupt_shard_is_named_and_the_rest_is_kept(stack, machines, alone, shards):
    words = (f"model_uri={alone[0]['model_uri']}", "shards=gs://yt8m/shards/*.tfrecord")
    words += ("tracking.system_metrics=false", "page=false", "slots=1")
    stopped = machines(verb("inference", *words, "output=gs://yt8m/stopped.csv")).wait()
    assert stopped.status == 2, stopped.err
    assert f"test{shards - 2:04d}.tfrecord" in stopped.sentence
    assert len(Bucket(stack).names("stopped.csv.parts/")) == shards - 1

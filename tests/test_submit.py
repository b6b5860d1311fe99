"""Jobs of Vertex AI: the request, checked by its client's own types, and the command in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verbs import PROJECT, SMALL
from yt8m_exp.config import compose
from yt8m_exp.jobs import submit
from yt8m_exp.jobs.steps import vertex
from yt8m_exp.spec import InputError, MissingInputError

PLACE = ("image=registry/yt8m:1", "project=p", "staging=gs://bucket/jobs")
SERVER = "https://mlflow.example.com"


@pytest.fixture(autouse=True)
def server(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)


def request(*words):
    cfg = compose.compose("submit", [*PLACE, "dry_run=true", *words])
    found = submit.run(cfg).result
    assert found["job"] is None
    return found["request"]


@pytest.mark.parametrize(
    ("shape", "pools"), [("one_gpu", [(1, 1)]), ("four_gpus", [(1, 4)]), ("workers", [(1, 1)] * 2)]
)
def test_a_shape_decides_on_machines_and_workers(shape, pools):
    found = request(f"shape={shape}")["job_spec"]["worker_pool_specs"]
    shapes = [(p["replica_count"], p["machine_spec"]["accelerator_count"]) for p in found]
    assert shapes == pools


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["one_gpu", "four_gpus", "workers"])
def test_the_client_of_vertex_ai_takes_the_request(shape):
    aiplatform = pytest.importorskip("google.cloud.aiplatform_v1")
    found = request(f"shape={shape}", 'overrides=["model=moe"]', "service_account=a@p.iam")
    job = aiplatform.CustomJob(found)  # refuses fields and values that are not there
    container = job.job_spec.worker_pool_specs[-1].container_spec
    assert (container.image_uri, list(container.args)) == ("registry/yt8m:1", ["model=moe"])
    assert container.env[0].name == "MLFLOW_TRACKING_URI"
    assert job.job_spec.worker_pool_specs[0].machine_spec.accelerator_type.name == "NVIDIA_L4"
    with pytest.raises(ValueError, match="Unknown field"):
        aiplatform.CustomJob({**found, "replicas": 2})


@pytest.mark.slow
def test_the_command_of_a_job_trains(store):
    words = [*SMALL, "epochs=1", f"tracking.runs={store.runs}"]
    (pool,) = request(f"overrides={json.dumps(words)}")["job_spec"]["worker_pool_specs"]
    container = pool["container_spec"]
    assert container["command"][0] == "python"
    ended = subprocess.run(
        [sys.executable, *container["command"][1:], *container["args"]],
        cwd=PROJECT,
        env={**os.environ, **store.environment},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["examples"] == 256


def test_a_job_knows_the_short_names_of_its_verb():
    (pool,) = request('overrides=["train=sample/video/train"]')["job_spec"]["worker_pool_specs"]
    assert pool["container_spec"]["args"][-1] == "train=sample/video/train"


@pytest.mark.parametrize(
    ("words", "uri", "sentence"),
    [
        (['overrides=["modl=moe"]'], SERVER, "modl"),
        (['overrides=["epochs=-1"]'], SERVER, "`epochs > 0` must hold"),
        ([], "sqlite:///mlflow.db", "must name a server that the job can reach"),
        ([], "http://127.0.0.1:5000", "must name a server that the job can reach"),
        ([], "https://me:secret@mlflow.example.com", "must hold no password"),
    ],
)
def test_what_would_fail_there_is_refused_here(monkeypatch, words, uri, sentence):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(InputError, match=sentence) as refused:
        request(*words)
    assert "secret" not in str(refused.value)


def test_an_unknown_shape_is_answered_with_those_that_are_there(tmp_path):
    with pytest.raises(MissingInputError, match="one of four_gpus, one_gpu, workers"):
        request("shape=eight")
    own = tmp_path / "own.yaml"
    own.write_text("[{machine_spec: {machine_type: e2-standard-4}, replica_count: 1}]")
    (pool,) = request(f"shape={own}")["job_spec"]["worker_pool_specs"]
    assert pool["machine_spec"] == {"machine_type": "e2-standard-4"}


class Client:
    """Takes a job as the service's client does, without the service."""

    def create_custom_job(self, parent, custom_job):
        self.parent, self.job = parent, custom_job
        return type(custom_job)(name=f"{parent}/customJobs/17")


def test_a_job_is_created_where_it_was_asked_for():
    pytest.importorskip("google.cloud.aiplatform_v1")
    client, found = Client(), request()
    values = {"project": "p", "region": "europe-west4"}
    job = vertex.submit(values, found, client)
    assert job == "projects/p/locations/europe-west4/customJobs/17"
    assert client.job.display_name == "yt8m-train"
    assert "training/17?project=p" in vertex.page(job)
    assert Path(PROJECT / "cloud/vertex/one_gpu.yaml").exists()

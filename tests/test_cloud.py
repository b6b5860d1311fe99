"""Jobs of Kubernetes: the templates that MLflow fills in, against the schema of Kubernetes."""

import json
import os
import shlex
import subprocess
import sys

import kubernetes_validate
import pytest
import yaml
from mlflow.projects._project_spec import load_project
from mlflow.projects.utils import get_entry_point_command

from tests.verbs import PROJECT, SMALL
from yt8m_exp.training import cluster

FOLDER = PROJECT / "cloud" / "kubernetes"
CONFIGS = sorted(FOLDER.glob("*.json"))
VERSION = "1.34"
MOUNTS = {"metadata.labels['job-name']": "yt8m-2026"}
INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"


def template(name):
    """A job as MLflow makes it of a template; see `mlflow.projects.kubernetes`."""
    config = json.loads((FOLDER / f"{name}.json").read_text())
    job = yaml.safe_load((PROJECT / config["kube-job-template-path"]).read_text())
    job["metadata"]["name"] = "yt8m-2026-11-26-08-00-00-000000"
    container = job["spec"]["template"]["spec"]["containers"][0]
    container |= {"name": "yt8m", "image": f"{config['repository-uri']}@sha256:0", "command": ["x"]}
    container["env"] = [*container.get("env", []), {"name": "MLFLOW_RUN_ID", "value": "0"}]
    return job


def command(verb, parameters):
    """The words of the container's command, as MLflow makes them of an entry point."""
    project = load_project(str(PROJECT / "cloud"))
    (line,) = get_entry_point_command(project, verb, parameters, None)
    return shlex.split(line)


@pytest.mark.parametrize("path", [*CONFIGS, FOLDER / "service.yaml"], ids=lambda path: path.name)
def test_kubernetes_takes_what_is_in_a_template(path):
    is_job = path.suffix == ".json"
    found = template(path.stem) if is_job else yaml.safe_load(path.read_text())
    kubernetes_validate.validate(found, VERSION, strict=True)


@pytest.mark.parametrize(("name", "gpus"), [("one_gpu", 1), ("four_gpus", 4), ("workers", 1)])
def test_a_template_asks_for_its_gpus(name, gpus):
    spec = template(name)["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == gpus


def environment(name, index):
    """The variables of a pod that has this index, as Kubernetes makes them."""
    known = {}
    for entry in template(name)["spec"]["template"]["spec"]["containers"][0]["env"]:
        field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        value = str(index) if field == INDEX else MOUNTS.get(field) or entry.get("value")
        for before, text in known.items():
            value = value.replace(f"$({before})", text)
        known[entry["name"]] = value
    return known


def test_each_worker_finds_its_place(monkeypatch):
    job = template("workers")
    workers = job["spec"]["completions"]
    pod = job["spec"]["template"]
    service = yaml.safe_load((FOLDER / "service.yaml").read_text())
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    for index in range(workers):
        known = environment("workers", index)
        monkeypatch.setenv("TF_CONFIG", known["TF_CONFIG"])
        assert cluster.place() == (index, workers)
        hosts = json.loads(known["TF_CONFIG"])["cluster"]["worker"]
        subdomain = pod["spec"]["subdomain"]
        assert subdomain == service["metadata"]["name"]
        assert hosts[index] == f"yt8m-2026-{index}.{subdomain}:2222"


def test_entry_points_are_those_of_the_project():
    of_project, of_jobs = (
        yaml.safe_load((PROJECT / path).read_text())["entry_points"]
        for path in ("MLproject", "cloud/MLproject")
    )
    assert of_jobs.items() <= of_project.items()


@pytest.mark.slow
def test_the_command_of_a_job_trains(store):
    free = " ".join([*SMALL[1:], f"tracking.runs={store.runs}"])
    words = command(
        "train", {"train": SMALL[0].partition("=")[2], "epochs": "1", "overrides": free}
    )
    assert words[:3] == ["python", "-m", "yt8m_exp.train"]
    ended = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=PROJECT,  # workingDir
        env={**os.environ, **store.environment},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["examples"] == 256

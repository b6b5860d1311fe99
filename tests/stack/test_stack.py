"""A team's stack, seen from outside: logins, rights, a shared study, a champion, a backup."""

import json
import os
import re
import subprocess
import sys
import tarfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest

from benchmarks import races
from tests.stack.machines import Machine
from tests.verbs import PROJECT
from yt8m_exp.registry import aliases, audit, decisions
from yt8m_exp.spec import RefusedError
from yt8m_exp.tracking import store
from yt8m_exp.tracking.connection import server

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]

PUBLIC = {"/health", "/api/2.0/mlflow/server-info", "/ajax-api/2.0/mlflow/server-info"}
PUBLIC |= {"/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"}
OTHERS = ("/dashboard", "/api/studies", "/api/meta", "/static/bundle.js", "/tensorboard/")
OTHERS = (*OTHERS, "/champion/ping", "/champion/invocations", "/signup", "/docs", "/openapi.json")
PROMOTERS, RACE_SECONDS = 16, 20.0
WRITES = {"create_experiment", "create_run", "register", "record_a_decision"}
MAY = {
    "rita": set(),
    "anna": {"create_experiment", "create_run"},
    "paul": {"create_experiment", "create_run", "register", "record_a_decision"},
}


def verb(stack, user, name, *words):
    """Runs a verb as a user, from outside the stack; returns its exit status and last line."""
    done = subprocess.run(
        [sys.executable, "-m", f"yt8m_exp.{name}", *words],
        cwd=PROJECT,
        env={**os.environ, **stack.login(user)},
        capture_output=True,
        text=True,
    )
    return done.returncode, json.loads(done.stdout or "null"), done.stderr


def test_nothing_starts_without_passwords(docker_compose, tmp_path):
    for name in ("docker-compose.yml", ".env.example"):
        (tmp_path / name).write_text((PROJECT / name).read_text())
    (tmp_path / ".env.example").rename(tmp_path / ".env")
    done = subprocess.run([*docker_compose, "config"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "sh stack/setup" in done.stderr


def test_no_route_answers_without_a_password(stack):
    # MLflow's own routes, from MLflow: with placeholders, as the login is checked first.
    code = (
        "import json; from mlflow.server import app; from mlflow.server.fastapi_app import "
        "create_fastapi_app as make; print(json.dumps(sorted({(str(r), m) for r in "
        "app.url_map.iter_rules() for m in r.methods} | {(r.path, m) for r in make(app).routes "
        "for m in getattr(r, 'methods', None) or ()})))"
    )
    printed = stack.compose("exec", "-T", "mlflow", "python", "-W", "ignore", "-c", code)
    routes = {(re.sub(r"[<{].*?[>}]", "1", path), m) for path, m in json.loads(printed)}
    routes |= {(path, method) for path in OTHERS for method in ("GET", "POST", "DELETE")}
    assert len(routes) > 300
    with ThreadPoolExecutor(8) as pool:
        asked = pool.map(lambda route: stack.get(route[0], method=route[1]).status_code, routes)
        answers = dict(zip(routes, asked, strict=True))
    opened = {route: status for route, status in answers.items() if status not in (401, 404, 405)}
    assert {path for path, _ in opened} <= PUBLIC | {"/static-files/1", "/"}, opened


def test_only_the_proxy_and_the_database_can_be_reached_from_outside(stack):
    ports = {
        service: subprocess.run(
            ["docker", "port", stack.container(service)], capture_output=True, text=True
        ).stdout
        for service in ("postgres", "objects", "mlflow", "dashboard", "proxy")
    }
    assert ports["objects"] == ports["mlflow"] == ports["dashboard"] == ""
    for published in (ports["postgres"], ports["proxy"]):
        assert "127.0.0.1" in published
        assert "0.0.0.0" not in published
    import psycopg

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://optuna@127.0.0.1:{stack.database_port}/optuna")


def test_no_password_is_in_a_log_a_process_list_or_an_image(stack):
    def seen(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    texts = {"logs": stack.compose("logs", "--no-color")}
    for image in ("yt8m-server", "yt8m-worker"):
        texts[image] = seen("docker", "history", "--no-trunc", image)
        texts[f"{image} environment"] = seen("docker", "image", "inspect", image)
    for service in ("postgres", "objects", "mlflow", "dashboard", "proxy"):
        texts[f"processes of {service}"] = seen(
            "docker", "top", stack.container(service), "-eo", "pid,args"
        )
    for where, text in texts.items():
        for name, secret in stack.secrets.items():
            assert secret not in text, f"{name} in {where}"


@pytest.mark.parametrize("user", MAY)
def test_a_role_may_write_what_it_says_and_everybody_reads(stack, user):
    api = "/api/2.0/mlflow"
    experiment = f"of-{user}"
    bodies = {
        "create_experiment": (f"{api}/experiments/create", {"name": experiment}),
        "create_run": (f"{api}/runs/create", {"experiment_id": "0"}),
        "register": (f"{api}/model-versions/create", {"name": "yt8m", "source": "s3://x/y"}),
        "record_a_decision": (
            f"{api}/model-versions/create",
            {"name": "yt8m.decisions"},  # without a source: whoever may, makes none
        ),
    }
    answers = {what: stack.post(*body, user).status_code for what, body in bodies.items()}
    refused = {what for what, status in answers.items() if status == 403}
    assert WRITES - refused == MAY[user]
    assert stack.get(f"{api}/experiments/search?max_results=1", user).ok
    assert stack.get("/api/studies", user).ok
    assert stack.get("/api/studies/1", user, method="DELETE").status_code == 405


def test_bad_artifact_names_hosts_and_sizes_are_refused(stack):
    import requests

    login = ("anna", stack.password("anna"))
    artifacts = f"{stack.url}/api/2.0/mlflow-artifacts/artifacts"
    for name in ("..%2f..%2fetc/passwd", "0/..%2f..%2fx", "%2fetc%2fpasswd"):
        assert requests.put(f"{artifacts}/{name}", data=b"x", auth=login).status_code in (400, 403)
    large = requests.put(f"{artifacts}/0/large", data=bytes(60_000_000), auth=login)
    assert large.status_code == 413
    assert "MAX_UPLOAD (50MB)" in large.text
    foreign = requests.get(stack.url, headers={"Host": "evil.example"}, auth=login)
    assert foreign.status_code == 403


def test_the_doctor_says_what_a_user_may_do(stack):
    words = ("require=true", "tracking.experiment=Default")
    status, result, err = verb(stack, "rita", "doctor", *words)
    assert status == 1, err
    parts = {part["part"]: part for part in result["parts"]}
    assert not parts["runs"]["usable"]
    assert "researcher" in parts["runs"]["found"]
    assert "may not promote" in parts["promotion"]["found"]


def test_tensorboard_and_tls_are_behind_the_same_login(stack):
    import requests

    stack.compose("--profile", "tensorboard", "up", "-d", "--no-build", "tensorboard")
    stack.compose("--profile", "tls", "up", "-d", "--no-build", "tls")
    stack.wait("/tensorboard/", "rita")
    assert stack.get("/tensorboard/").status_code == 401
    login = ("rita", stack.password("rita"))
    root = f"https://localhost:{stack.tls_port}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the certificate's authority is known to no one else
        assert requests.get(root, auth=login, verify=False).ok
        assert requests.get(root, verify=False).status_code == 401


def test_two_workers_share_a_study_and_a_promoter_makes_its_best_model_champion(stack):
    stack.compose("--profile", "worker", "up", "-d", "--no-build", "--scale", "worker=2", "worker")
    ids = stack.compose("ps", "-q", "worker").split()
    ended = subprocess.run(["docker", "wait", *ids], capture_output=True, text=True, timeout=800)
    logs = stack.compose("logs", "--no-color", "worker")
    assert ended.stdout.split() == ["0", "0"], logs
    (study,) = stack.get("/api/studies", "rita").json()["study_summaries"]
    found = stack.get(f"/api/studies/{study['study_id']}", "rita").json()["trials"]
    assert [trial["state"] for trial in found] == ["Complete"] * 3
    (run_id,) = set(re.findall(r'"run_id": "(\w+)", "study"', logs))
    words = (f"sweep={run_id}", "tracking.system_metrics=false")
    words += (f"tracking.runs={stack.folder}/runs", "policy.minimum_gap=0")
    shards = f"shards={stack.data}/validate0076.tfrecord"
    status, _, err = verb(stack, "anna", "promote", *words, shards)
    assert status == 1, err
    assert "Permission denied" in err
    status, result, err = verb(stack, "paul", "promote", *words, shards)
    assert status == 0, err
    assert result["promoted"], result
    _, history, _ = verb(stack, "rita", "history")
    assert history["decisions"][-1]["by"].startswith("paul@")


def test_promoters_with_logins_race_through_the_server_and_leave_one_chain(
    stack, tmp_path, monkeypatch
):
    for key, value in stack.login("paul").items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(aliases, "GRACE_SECONDS", races.GRACE_SECONDS)
    races.make(stack.url, "raced")
    assert races.race(stack.url, "raced", tmp_path, PROMOTERS, RACE_SECONDS) > PROMOTERS
    found = races.check(stack.url, "raced")
    assert not found.startswith("0 switches"), found


def test_a_researcher_cannot_decide_on_the_model_of_another(stack, monkeypatch):
    def log_in(user):
        server.user.cache_clear()
        for key, value in stack.login(user).items():
            monkeypatch.setenv(key, value)

    log_in("paul")
    races.make(stack.url, "owned")
    log_in("anna")
    client = store.connect()
    decision = audit.record(audit.read(client, "owned"), "promote", 1, champion=None, reason="")
    with pytest.raises(RefusedError, match="An admin gives the role promoter"):
        decisions.decide(client, "owned", decision)
    assert not client.search_registered_models("name = 'owned.decisions'")


def test_a_pickled_model_is_stored_and_never_loaded(stack):
    code = (
        "import mlflow; from mlflow.pyfunc import PythonModel, log_model\n"
        "class Pickled(PythonModel):\n"
        "    def predict(self, context, model_input: list[str]): return model_input\n"
        "mlflow.start_run()\n"
        "print(log_model(name='m', python_model=Pickled(), pip_requirements=[]).model_uri)\n"
    )
    logged = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, **stack.login("anna"), "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true"},
        capture_output=True,
        text=True,
    )
    assert logged.returncode == 0, logged.stderr
    (model_uri,) = re.findall(r"models:/m-\w+", logged.stdout)
    status, _, err = verb(stack, "anna", "eval", f"model_uri={model_uri}", "shards=sample/video")
    assert status == 2, err
    load = "import sys, mlflow; mlflow.pyfunc.load_model(sys.argv[1])"
    ended = Machine(stack, ["python", "-c", load, model_uri]).wait()
    assert ended.status == 1
    assert "MLFLOW_ALLOW_PICKLE_DESERIALIZATION" in ended.err


def test_the_champion_is_served_behind_the_login(stack):
    import requests

    stack.compose("--profile", "champion", "up", "-d", "--no-build", "champion")
    stack.wait("/champion/ping", "rita")
    answer = requests.post(
        f"{stack.url}/champion/invocations",
        json={"dataframe_split": {"columns": ["mean_audio"], "data": [[[0.1] * 128]]}},
        auth=("rita", stack.password("rita")),
    )
    assert answer.ok, answer.text
    assert len(answer.json()["predictions"]) == 1
    stack.compose("--profile", "champion", "rm", "-sf", "champion")


def test_a_service_that_crashes_comes_back_by_itself(stack):
    for service in ("postgres", "mlflow", "objects", "dashboard", "proxy"):
        state = ("docker", "inspect", "-f", "{{.State.Pid}}", stack.container(service))
        pid = subprocess.run(state, capture_output=True, text=True, check=True).stdout.strip()
        subprocess.run(["kill", "-9", pid], check=True)
    stack.wait("/api/2.0/mlflow/experiments/search?max_results=1", "rita")
    stack.wait("/api/studies", "rita")
    assert verb(stack, "anna", "doctor", "require=true")[0] == 0


def test_a_backup_in_an_empty_stack_gives_the_same(stack, tmp_path):
    stack.script("backup", str(tmp_path / "first"))
    stack.compose("down", "-v", "-t", "3")
    stack.script("restore", str(tmp_path / "first"))
    stack.wait()
    stack.script("backup", str(tmp_path / "second"))
    first, second = (_content(stack, tmp_path / name) for name in ("first", "second"))
    assert first == second
    assert stack.get("/api/2.0/mlflow/experiments/search?max_results=1", "anna").ok


def _content(stack, folder):
    """The rows of each table, and the digest of each object; not what a dump or init makes new."""
    content = {}
    for database in ("mlflow", "users", "optuna"):
        dump = (folder / f"{database}.dump").read_bytes()
        rows = subprocess.run(
            ["docker", "exec", "-i", stack.container("postgres"), "pg_restore", "-a", "-f", "-"],
            input=dump,
            capture_output=True,
            check=True,
        ).stdout.decode()
        new = ("\\restrict", "\\unrestrict", "--", "2\tworker\t")
        content[database] = sorted(line for line in rows.splitlines() if not line.startswith(new))
    with tarfile.open(folder / "objects.tar") as tar:
        content["objects"] = sorted(
            f"{member.name} {sha256(tar.extractfile(member).read()).hexdigest()}" for member in tar
        )
    assert len(content["objects"]) > 10
    return content

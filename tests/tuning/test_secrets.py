"""Secrets that are planted in variables and values must be in nothing that a run leaves."""

import re
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import NullPool, create_engine, inspect, text

from tests.verbs import SMALL
from yt8m_exp.config.overrides import override

pytestmark = pytest.mark.slow
PLANTED = "planted{}Secret"
SECRET = re.compile(r"planted\w+Secret")
VARIABLES = (
    *("PLANTED_TOKENS", "MY_PASSWORD", "API_TOKEN", "CLIENT_SECRET", "PGPASSWORD"),
    *("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "SERVICE_API_KEY"),
)


@pytest.fixture
def planted(store, monkeypatch):
    """The environment of verbs with a secret in each variable."""
    for number, name in enumerate(VARIABLES):
        monkeypatch.setitem(store.environment, name, PLANTED.format(number))
    value = f"postgresql://u:{PLANTED.format('InUri')}@host/x"
    monkeypatch.setitem(store.environment, "SOME_STORE", value)
    return value


def found(*places: Path) -> list[str]:
    """The files below the places that hold a planted secret, or have one in their name."""
    files = [file for place in places for file in (place, *place.rglob("*"))]
    return [
        str(file)
        for file in files
        if SECRET.search(file.name) or (file.is_file() and SECRET.search(file.read_text("latin1")))
    ]


def rows(url: str) -> str:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return "".join(
            str(connection.execute(text(f'SELECT * FROM "{table}"')).fetchall())
            for table in inspect(engine).get_table_names()
        )


def test_a_study_leaves_no_secret_anywhere(studies, postgres, planted):
    studies.url = postgres.replace("@", f"{PLANTED.format('InStorage')}@")
    running = studies.start(
        override("tracking.run_name", planted),
        "launcher=subprocess",
        work="tells_secrets",
        trials=1,
        max_failures=1,
        description=f"See {planted} and password={PLANTED.format('InText')}.",
    )
    lines = set()
    while running.process.is_alive():
        with suppress(psutil.Error):
            sweep = psutil.Process(running.process.pid)
            lines |= {" ".join(each.cmdline()) for each in [sweep, *sweep.children(recursive=True)]}
        running.process.join(0.05)
    outcome = running.wait()
    assert outcome.status == 1, outcome.err
    assert "ArithmeticError: ***" in outcome.err
    trials = studies.trials
    folders = [
        studies.store.runs / run for run in (studies.parent, studies.run(trials[0]).info.run_id)
    ]
    artifacts = [Path(studies.store.get(folder.name).info.artifact_uri) for folder in folders]
    database = Path(studies.store.uri.removeprefix("sqlite:///"))
    assert found(*folders, *artifacts, database, running.folder) == []
    assert not SECRET.search(rows(studies.url))
    assert not [line for line in lines if SECRET.search(line)]
    assert any("launchers.subprocess" in line for line in lines)
    assert "the token is ***" in studies.output(trials[0])


def test_a_training_leaves_no_secret_anywhere(store, planted, tmp_path):
    weights = tmp_path / f"password={PLANTED.format('InPath')}.csv"
    weights.write_text("index,weight\n3,2\n")
    words = (override("tracking.run_name", planted), f"loss.label_weights='{weights}'")
    running, run_id = store.start_run("train", *SMALL, "epochs=1", "register=kept", *words)
    outcome = running.wait()
    assert outcome.status == 0, outcome.err
    artifacts = Path(store.get(run_id).info.artifact_uri)
    model = store.model(outcome.result["model_uri"])
    database = Path(store.uri.removeprefix("sqlite:///"))
    places = (store.runs / run_id, artifacts, model, database, running.folder)
    assert [file for file in found(*places) if not file.endswith(weights.name)] == []
    assert store.get(run_id).data.params["cfg.tracking.run_name"].endswith(":***@host/x")
    refused = store.run("train", f"resume={run_id}", "epochs=3")
    assert refused.status == 2
    assert "` held a secret, which the run does not keep: " in refused.sentence
    again = store.done("train", f"resume={run_id}", "epochs=3", *words)
    assert again["examples"] > outcome.result["examples"]

"""How fast do a team's pages and verbs answer with 10,000 runs and 1,000 trials in PostgreSQL?

    python -m benchmarks.scale [runs] [trials]

It brings up a stack as `benchmarks.stack` does, runs a sweep of one trial against it, and copies
the trial and its run in the databases, with other values. Pages are asked for as browsers do, five
times; verbs work in this process, so that their imports do not count.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import yaml

from benchmarks import races
from tests.stack import running
from tests.stack.running import Stack
from yt8m_exp import cli
from yt8m_exp.config import compose
from yt8m_exp.jobs import history, sweep
from yt8m_exp.registry import audit
from yt8m_exp.tracking import store

RUNS, TRIALS, DECISIONS, REPETITIONS = 10_000, 1_000, 100, 5
MODEL = "judged"
STUDY = {
    "name": "scale",
    "overrides": ["epochs=1", "~data.features.mean_rgb", "tracking.system_metrics=false"],
    "objectives": {"val/gap": "maximize"},
    "space": {"learning_rate": {"type": "float", "low": 0.001, "high": 0.05, "log": True}},
}
OF_RUNS = ("params", "tags", "metrics", "latest_metrics")
OF_TRIALS = (
    *("trial_params", "trial_values", "trial_intermediate_values"),
    *("trial_user_attributes", "trial_system_attributes"),
)
OTHER_VALUE = "t.value * (0.5 + random() / 2)"


def main() -> None:
    """Prints a line for each page and verb."""
    cli.prepare()
    runs, trials = map(int, sys.argv[1:] or (RUNS, TRIALS))
    with (
        tempfile.TemporaryDirectory() as folder,
        running.running(Path(folder), running.compose_command()) as stack,
    ):
        database = f"127.0.0.1:{stack.database_port}"
        os.environ |= stack.login("paul") | {
            "YT8M_STUDIES": f"postgresql+psycopg://optuna@{database}/optuna",
            "PGPASSWORD": stack.secrets["STUDIES_PASSWORD"],
        }
        tune(stack, 1)
        print(f"a sweep of one trial, then its copies: {fill(stack, runs, trials)}")
        for name, ask in questions(stack).items():
            seconds = [timed(ask) for _ in range(REPETITIONS)]
            print(f"{name:<40} {seconds[0]:>6.2f} s, then {statistics.median(seconds[1:]):.2f} s")
        decide(stack)
        seconds = timed(lambda: history.run(of("history", f"name={MODEL}")))
        print(f"{f'history of {DECISIONS} decisions':<40} {seconds:>6.2f} s")
        began = datetime.now()
        tune(stack, trials + 1, "launcher.preload=[]", work="benchmarks.scale:nothing")
        seconds = (last_start(stack) - began).total_seconds()
        print(f"{'sweep, until it has its next trial':<40} {seconds:>6.2f} s")


def of(verb: str, *words: str) -> Any:
    """Returns the configuration of a verb."""
    return compose.compose(verb, words)


def tune(stack: Stack, trials: int, *more: str, work: str = sweep.TRIAL) -> None:
    """Brings a study to so many trials."""
    file = stack.data / "scale.yaml"
    file.write_text(yaml.safe_dump(STUDY | {"trials": trials}))
    words = [f"sweep={file}", f"tracking.runs={stack.data}/runs", "accept_changes=true"]
    words += [f"train={stack.data}/validate0017.tfrecord", "figures=false"]
    words += [f"validate={stack.data}/validate0076.tfrecord", "tracking.system_metrics=false"]
    sweep.run(of("sweep", *words, *more), work=work)


def nothing(overrides: Sequence[str], reported: Callable[..., bool]) -> dict[str, Any]:
    """Trains nothing."""
    return {"gap": 0.5}


def last_start(stack: Stack) -> datetime:
    """Returns when a driver took the last trial."""
    with closing(connection(stack, "optuna", "STUDIES_PASSWORD")) as studies:
        ((found,),) = studies.execute("SELECT max(datetime_start) FROM trials").fetchall()
    return found


def decide(stack: Stack) -> None:
    """Writes decisions on a registered model."""
    races.make(stack.url, MODEL)
    client = store.connect()
    chain = audit.read(client, MODEL)
    for number in range(DECISIONS):
        words = {"reason": f"judged {number}", "evidence": {"gap": [0.8, 0.79]}}
        audit.append(client, MODEL, audit.record(chain, "refuse", 1, champion=None, **words))


def timed(ask: Callable[[], object]) -> float:
    """Returns the seconds that an answer takes."""
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def questions(stack: Stack) -> Mapping[str, Callable[[], object]]:
    """Returns what browsers ask for, by the page."""
    api = "/ajax-api/2.0/mlflow"
    (study,) = stack.get("/api/studies", "rita").json()["study_summaries"]
    experiments = stack.get(f"{api}/experiments/search?max_results=100", "rita").json()
    ids = [found["experiment_id"] for found in experiments["experiments"]]
    asked = {"experiment_ids": ids, "run_view_type": "ACTIVE_ONLY"}

    def search(results: int, **more: object) -> Callable[[], object]:
        def ask() -> object:
            body = asked | {"max_results": results} | more
            found = stack.post(f"{api}/runs/search", body, "rita").json()["runs"]
            assert len(found) == results, len(found)
            return found

        return ask

    (run,) = search(1)()  # type: ignore[misc]
    parents = {"filter": "tags.verb = 'sweep'", "max_results": 1}
    (parent,) = stack.post(f"{api}/runs/search", asked | parents, "rita").json()["runs"]
    of_parent = f"tags.mlflow.parentRunId = '{parent['info']['run_id']}'"
    gap = "metrics.`val/gap`"
    curve = f"run_id={run['info']['run_id']}&metric_key=val/gap"
    return {
        "the table of runs": search(100, order_by=["attributes.start_time DESC"]),
        "the table, sorted by GAP": search(100, order_by=[f"{gap} DESC"]),
        "the table, filtered by GAP and a param": search(
            100, filter=f"{gap} > 0.01 and params.model = 'logistic'"
        ),
        "a sweep with its children": search(100, filter=of_parent),
        "a run's curve": lambda: stack.get(f"{api}/metrics/get-history?{curve}", "rita"),
        "the study's page": lambda: stack.get(f"/api/studies/{study['study_id']}", "rita"),
    }


def fill(stack: Stack, runs: int, trials: int) -> str:
    """Copies the trial and its run; returns what MLflow's database holds then."""
    with closing(connection(stack, "mlflow", "MLFLOW_PASSWORD")) as tracking, tracking:
        found = "SELECT run_uuid FROM tags WHERE key = 'trial.number'"
        ((run,),) = tracking.execute(found).fetchall()
        copy_runs(tracking, run, runs, trials)
        count = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in OF_RUNS)
        held = dict(tracking.execute(count).fetchall())
    with closing(connection(stack, "optuna", "STUDIES_PASSWORD")) as studies, studies:
        copy_trials(studies, run, trials)
    return json.dumps(held)


def connection(stack: Stack, name: str, secret: str) -> psycopg.Connection:
    """Connects to a database of the stack, as the user of its name."""
    place = f"host=127.0.0.1 port={stack.database_port} user={name} dbname={name}"
    return psycopg.connect(place, password=stack.secrets[secret])


def copy_runs(database: psycopg.Connection, run: str, count: int, trials: int) -> None:
    """Copies a trial's run, with other values; as many copies as there are trials stay children."""
    source = f"generate_series(1, {count - 2}) n WHERE t.run_uuid = '{run}'"
    changed = {"run_uuid": f"md5('{run}' || n)", "name": "t.name || '-' || n"}
    changed |= {name: f"t.{name} - n * 1000" for name in ("start_time", "end_time")}
    copy(database, "runs", source, changed)
    number = "CASE t.key WHEN 'trial.number' THEN n::text ELSE t.value END"
    child = f"(n < {trials} OR t.key <> 'mlflow.parentRunId')"
    for table in OF_RUNS:
        value = number if table in ("params", "tags") else OTHER_VALUE
        copy(database, table, f"{source} AND {child}", changed | {"value": value})


def copy_trials(database: psycopg.Connection, run: str, count: int) -> None:
    """Copies the only trial, with other values, each with its copy of the run."""
    copy(database, "trials", f"generate_series(1, {count - 1}) n", {"number": "n"})
    changed = {
        "trial_id": "new.trial_id",
        "value": OTHER_VALUE,
        "param_value": OTHER_VALUE.replace("value", "param_value"),
        "value_json": f"replace(t.value_json, '{run}', md5('{run}' || new.number))",
    }
    for table in OF_TRIALS:
        copy(database, table, "trials new WHERE t.trial_id < new.trial_id", changed)


def copy(database: psycopg.Connection, table: str, source: str, changed: Mapping[str, str]) -> None:
    """Adds rows to a table: those of the source, with the columns that change."""
    names = columns(database, table)
    values = ", ".join(changed.get(name, f"t.{name}") for name in names)
    query = f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} t, {source}"
    database.execute(query.encode())


def columns(database: psycopg.Connection, table: str) -> list[str]:
    """Returns the columns of a table that its rows do not number themselves."""
    found = database.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
        "AND table_schema = 'public' AND coalesce(column_default, '') NOT LIKE 'nextval%%'",
        [table],
    )
    return [name for (name,) in found]


if __name__ == "__main__":
    main()

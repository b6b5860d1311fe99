"""Does the chain of champions hold when many promoters race and are killed in the middle?

    python -m benchmarks.races <tracking URI> [seconds] [promoters]

Promoters judge nothing: each picks a version at random, decides on it and switches, again and
again, as `promote` does. Half of them belong to another host, which shares no lock. One after
another is killed by SIGKILL and replaced; in between all stop, and the records are checked.
"""

import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

PROMOTERS, SECONDS, ROUND_SECONDS = 16, 120.0, 20.0
VERSIONS, SOURCE = 8, "s3://nowhere/model"
GRACE_SECONDS = 3.0
KILL_SECONDS = 4.0
HOSTS = ("here", "there")
LOGIN = "MLFLOW_TRACKING_"
"""Begins the variables with which a user logs in to a server."""
LOADED = [
    *("yt8m_exp.registry.decisions", "yt8m_exp.registry.aliases", "yt8m_exp.registry.lock"),
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.tracing.processor.base_mlflow",
    "psycopg",
]
FORKS = multiprocessing.get_context("forkserver")


def main() -> None:
    """Prints a line a round."""
    uri = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    promoters = int(sys.argv[3]) if len(sys.argv) > 3 else PROMOTERS
    name = f"races.{os.getpid()}"
    make(uri, name)
    print(f"{promoters} promoters on {uri.partition(':')[0]}, rounds of {ROUND_SECONDS:g} s")
    kills, end = 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            kills += race(uri, name, Path(folder), promoters, ROUND_SECONDS)
            found = check(uri, name)
            print(f"{kills} kills, {found}", flush=True)


def make(uri: str, name: str) -> None:
    """Creates a registered model with versions to choose among."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    client.create_registered_model(name)
    for _ in range(VERSIONS):
        client.create_model_version(name, SOURCE, await_creation_for=0)


def race(uri: str, name: str, folder: Path, promoters: int, seconds: float) -> int:
    """Lets promoters race for so long, killing one after another; returns how many it killed."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # or nothing is preloaded
    FORKS.set_forkserver_preload(LOADED)
    rng = random.Random(seconds)
    login = {key: value for key, value in os.environ.items() if key.startswith(LOGIN)}

    def start(number: int) -> BaseProcess:
        host = HOSTS[number % len(HOSTS)]
        arguments = (uri, name, folder / host, host, rng.random(), login)
        process = FORKS.Process(target=promote_for_ever, args=arguments, daemon=True)
        process.start()
        return process

    running = [start(number) for number in range(promoters)]
    kills, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(rng.random() * KILL_SECONDS)
        number = rng.randrange(promoters)
        if not running[number].is_alive():
            raise RuntimeError(f"A promoter ended by itself: {running[number].exitcode}.")
        running[number].kill()
        running[number] = start(number)
        kills += 1
    for process in running:
        process.kill()
        process.join()
    return kills + promoters


def promote_for_ever(
    uri: str, name: str, cache: Path, host: str, seed: float, login: Mapping[str, str]
) -> None:
    """Decides on versions at random, until it is killed."""
    os.environ.update(login | {"MLFLOW_TRACKING_URI": uri, "XDG_CACHE_HOME": str(cache)})
    from yt8m_exp.registry import aliases, audit, decisions
    from yt8m_exp.tracking import store

    audit.me = lambda: host  # type: ignore[assignment]
    aliases.GRACE_SECONDS = GRACE_SECONDS
    client, rng = store.connect(), random.Random(seed)
    while True:
        chain = audit.read(client, name)
        version = rng.choice([v for v in range(1, VERSIONS + 1) if v != chain.champion])
        kind = "refuse" if rng.random() < 0.1 else "promote"
        words = {"champion": chain.champion, "reason": "raced"}
        decisions.decide(client, name, audit.record(chain, kind, version, **words))


def check(uri: str, name: str) -> str:
    """Completes what was cut, as the next promoter does, and checks all records.

    Raises:
        AssertionError: two decided after the same switch hold, a switch is neither completed nor
            explained, or the aliases are not where the chain ends.
    """
    from mlflow import MlflowClient

    from yt8m_exp.registry import aliases, audit, versions

    client = MlflowClient(uri)
    aliases.GRACE_SECONDS = 0.0
    cut = audit.read(client, name).last
    chain = aliases.settle(client, name)
    before = [None, *(record.version for record in chain.switches)][: len(chain.switches)]
    if [record.champion for record in chain.switches] != before:
        raise AssertionError(f"A switch did not replace the champion before it, among {before}.")
    if len({record.after for record in chain.switches}) != len(chain.switches):
        raise AssertionError("Two switches were decided after the same one.")
    waiting = [record.number for record in chain.switches if not record.completed]
    if waiting:
        raise AssertionError(f"Switches are neither completed nor explained: {waiting}.")
    numbers = [record.number for record in chain.records]
    if numbers != list(range(1, len(numbers) + 1)) or chain.altered:
        raise AssertionError("Records are missing, or were changed.")
    aliases = versions.aliases(client, name)
    if (aliases.get("champion"), aliases.get("previous")) != (chain.champion, chain.previous):
        raise AssertionError(f"The aliases {aliases} are not those of {chain.line[-2:]}.")
    counts = Counter(record.kind for record in chain.records)
    return (
        f"{len(chain.switches)} switches, {len(chain.too_late)} too late, {counts['refuse']} "
        f"refused; the last was {'complete' if cut and cut.completed else 'cut and completed'}"
    )


if __name__ == "__main__":
    main()

"""Does a team's stack that is killed at random moments lose or count anything twice?

    python -m benchmarks.kills [kills] [minutes]

It brings up a stack as `benchmarks.stack` does, kills all of it at random moments of a sweep by two
workers and a race of two promoters, starts it again each time, and prints what is wrong in the
end; nothing should be. After so many minutes it kills no more.
"""

import contextlib
import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from benchmarks import races
from tests.stack import running
from tests.stack.machines import docker
from tests.stack.running import Stack
from yt8m_exp.spec import UnansweredError

KILLS, KILL_SECONDS, UPS = 50, 30.0, 4
FEWEST_TRIALS = 4
RACED = "raced"
WORK = ("--profile", "worker")


def main() -> None:
    """Prints what is wrong with runs, trials and decisions after so many kills of the stack."""
    if reason := running.why_not():
        sys.exit(reason)
    given = dict(enumerate(map(int, sys.argv[1:])))
    count, end = given.get(0, KILLS), 60 * given.get(1, math.inf)
    rng, began = random.Random(count), time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        running.running(Path(folder), running.compose_command()) as stack,
    ):
        os.environ |= stack.login("paul")
        trials = max(count // 2, FEWEST_TRIALS)
        with (stack.folder / ".env").open("a") as file:
            file.write(f"TRIALS={trials}\n")
        races.make(stack.url, RACED)
        promoters = Promoters(stack.url, Path(folder))
        for number in range(count + 1):
            bring_up(stack)
            promoters.start()
            if number == count or time.monotonic() - began > end:
                break
            time.sleep(rng.expovariate(1 / KILL_SECONDS))  # as failures come: some soon, some late
            label = f"label=com.docker.compose.project={stack.project}"
            with contextlib.suppress(AssertionError):  # one may have ended by itself
                docker("kill", *docker("ps", "-q", "--filter", label).split())
            print(f"{number + 1} kills, {time.monotonic() - began:.0f} s", flush=True)
        ids = stack.compose(*WORK, "ps", "-q", "worker").split()
        ended = docker("wait", *ids).split()
        promoters.stop()
        print(f"{races.check(stack.url, RACED)}; workers ended with {', '.join(ended)}")
        print("\n".join(wrong(stack, trials)) or f"{trials} trials, nothing wrong")
        print(f"{time.monotonic() - began:.0f} s")


def bring_up(stack: Stack) -> None:
    """Starts what was killed; compose may refuse while a service is still unhealthy."""
    words = (*WORK, "up", "-d", "--no-build", "--scale", "worker=2", "proxy", "worker")
    for _ in range(UPS - 1):
        with contextlib.suppress(AssertionError):
            stack.compose(*words)
            break
    else:
        stack.compose(*words)
    stack.wait()


def wrong(stack: Stack, trials: int) -> list[str]:
    """Returns what is wrong with a study that has ended; it has each trial once, and all of it."""
    (study,) = stack.get("/api/studies", "rita").json()["study_summaries"]
    found = stack.get(f"/api/studies/{study['study_id']}", "rita").json()["trials"]
    states = Counter(trial["state"] for trial in found)
    complaints = [] if states["Complete"] == trials else [f"{trials} trials, but {dict(states)}"]
    complaints += [f"{states[state]} trials are open" for state in ("Running",) if states[state]]
    api = "/api/2.0/mlflow"
    asked = {"experiment_ids": experiments(stack), "max_results": 1000}
    runs = stack.post(f"{api}/runs/search", asked, "rita").json()["runs"]
    numbers, curves = Counter[str](), set()
    for run in runs:
        tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
        if run["info"]["status"] == "RUNNING":
            complaints.append(f"{run['info']['run_name']} is still running")
        if tags.get("trial.state") != "complete":
            continue
        numbers[tags["trial.number"]] += 1
        query = f"run_id={run['info']['run_id']}&metric_key="
        for key in ("val/gap", "train/loss"):
            answer = stack.get(f"{api}/metrics/get-history?{query}{key}", "rita").json()
            steps = sorted(int(point["step"]) for point in answer["metrics"])
            curves.add((key, tuple(steps)))
            if len(set(steps)) != len(steps):
                complaints.append(f"{run['info']['run_name']} has points of {key} twice")
    complaints += [f"trial {number} has {n} runs" for number, n in numbers.items() if n > 1]
    if len(numbers) != trials:
        complaints.append(f"{len(numbers)} of {trials} trials have a run")
    if len(curves) != 2:
        complaints.append(f"curves differ in their points: {curves}")
    return complaints


def experiments(stack: Stack) -> list[str]:
    """Returns the ids of all experiments."""
    path = "/api/2.0/mlflow/experiments/search?max_results=100"
    return [found["experiment_id"] for found in stack.get(path, "rita").json()["experiments"]]


def promote(*arguments: Any) -> None:
    """Promotes until the stack does not answer."""
    with contextlib.suppress(UnansweredError):
        races.promote_for_ever(*arguments)


class Promoters:
    """Processes that decide on a registered model; one that gives up is replaced.

    Args:
        uri: of the tracking server.
        folder: of their caches.
    """

    def __init__(self, uri: str, folder: Path):
        self._uri, self._folder = uri, folder
        self._login = {k: v for k, v in os.environ.items() if k.startswith(races.LOGIN)}
        self._running: dict[str, BaseProcess] = {}
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
        races.FORKS.set_forkserver_preload(races.LOADED)

    def start(self) -> None:
        """Starts those that are not running."""
        for number, host in enumerate(races.HOSTS):
            if host in self._running and self._running[host].is_alive():
                continue
            arguments = (self._uri, RACED, self._folder / host, host, number, self._login)
            process = races.FORKS.Process(target=promote, args=arguments, daemon=True)
            process.start()
            self._running[host] = process

    def stop(self) -> None:
        for process in self._running.values():
            process.kill()
            process.join()


if __name__ == "__main__":
    main()

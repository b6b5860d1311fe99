"""Kills trials and drivers of a study at random, and tells what is left of it."""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.tuning.conftest import Studies
from tests.verbs import Running
from yt8m_exp.tuning.study import is_counted

DEADLINE_SECONDS = 100.0
STATUS = {"COMPLETE": "FINISHED", "PRUNED": "FINISHED"}


def disturbed(studies: Studies, *, drivers: int, kills: int, seed: int) -> Counter[str]:
    """Works on a study with so many drivers at a time while at most so many processes are killed.

    Returns:
        How many drivers and how many trials were killed. The study has ended.
    """
    rng, killed = random.Random(seed), Counter[str]()
    running: list[Running] = []
    while killed.total() < kills and sum(map(is_counted, studies.trials)) < studies.study["trials"]:
        failed = [driver for driver in running if (driver.process.exitcode or 0) > 0]
        assert not failed, failed[0].read("err")
        running = [driver for driver in running if driver.process.is_alive()]
        if len(running) < drivers:
            running.append(studies.start("slots=2", work="climbs", retries=10**6))
            continue
        time.sleep(rng.uniform(0.0, 0.6))
        what = rng.choice(["driver", "trial", "trial"])
        victims = at_work(studies) if what == "trial" else [rng.choice(running).process.pid or 0]
        if not victims or not any(driver.process.is_alive() for driver in running):
            continue
        if any(trial.state.name == "RUNNING" for trial in studies.trials):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended by itself
                psutil.Process(rng.choice(victims)).kill()
                killed[what] += 1
    for driver in running:
        driver.process.join(DEADLINE_SECONDS)
    if studies.drive("slots=2", work="climbs", retries=10**6).status != 0:
        raise AssertionError(studies.drivers[-1].read("err"))
    return killed


def at_work(studies: Studies) -> list[int]:
    """Returns the processes of trials, known by where their output goes."""
    found = []
    for process in psutil.process_iter():
        try:
            output = Path(f"/proc/{process.pid}/fd/1").readlink()
        except OSError:
            continue
        if output.is_relative_to(studies.store.runs) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def faults(studies: Studies, total: int) -> Sequence[str]:
    """Returns what is not as it must be when a study has ended."""
    trials = studies.trials
    ended = [trial for trial in trials if is_counted(trial)]
    known = {trial.user_attrs.get("run_id"): trial for trial in trials}
    found = []
    if len(ended) != total:
        found.append(f"{len(ended)} trials count, not {total}")
    for key in ("parameters", "run"):
        seen = Counter(
            str(t.params if key == "parameters" else t.user_attrs["run_id"]) for t in ended
        )
        found += [f"{key} {value} counts {n} times" for value, n in seen.items() if n > 1]
    found += [f"trial {t.number} is RUNNING" for t in trials if t.state.name == "RUNNING"]
    parent = studies.parent
    for run in studies.store.search():
        if run.data.tags.get("mlflow.parentRunId") != parent:
            continue
        trial = known.get(run.info.run_id)
        expected = STATUS.get(trial.state.name, "KILLED") if trial else "KILLED"
        if run.info.status != expected:
            found.append(f"run {run.info.run_id} is {run.info.status}, not {expected}")
    if studies.store.status(parent) != "FINISHED":
        found.append(f"the study's run is {studies.store.status(parent)}")
    return [*found, *(f"process {pid} is an orphan" for pid in at_work(studies))]

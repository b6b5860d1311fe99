"""What do a training, a sweep and a promotion survive, and what do readers do with any bytes?

    python -m benchmarks.faults kills 200
    python -m benchmarks.faults requests 0.1
    python -m benchmarks.faults fuzz 60

`kills` kills a training on a tracking server at random moments, its start and its closing included,
and resumes it, until as many processes are dead. `requests` runs a training, a sweep and a
promotion while this share of the requests to the server fails. Both print what is not as it is in a
training that nothing disturbed. `fuzz` tries all properties that tests state of shards, requests,
CSVs, studies' files and journals on new examples for so many minutes, and prints those that break
one.
"""

import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests import faults, verbs
from tests.faults import Trained
from tests.proxy import Proxy
from tests.tracking.server import Server
from tests.verbs import Running, Store
from yt8m_exp import cli

STUDY = {
    "name": "faults",
    "overrides": [*faults.TRAINED],
    "objectives": {"val/gap": "maximize"},
    "trials": 4,
    "space": {"learning_rate": {"type": "float", "low": 0.001, "high": 0.05, "log": True}},
    "sampler": {"_target_": "optuna.samplers.RandomSampler", "seed": 0},
}
TESTS = Path(__file__).parents[1] / "tests"
PHASES = {"closing": "the best model", "training": "Validate:", "start": ""}
"""The phases of a training, latest first, and the words with which each begins."""


def main() -> None:
    """Measures and prints what was asked for."""
    cli.prepare()
    what, *words = sys.argv[1:] or ["kills", "20"]
    if what == "fuzz":
        return fuzz(60 * float(words[0]))
    with _served() as (machine, proxy, straight):
        if what == "kills":
            kills(machine, straight, int(words[0]))
        else:
            requests(machine, proxy, straight, float(words[0]))


def kills(machine: Store, straight: Trained, count: int) -> None:
    """Prints how many kills a training took in each phase, and what they changed."""
    rng, killed, wrong = random.Random(0), Counter[str](), Counter[str]()
    began = time.monotonic()
    machine.done("train", *faults.TRAINED)
    longest = time.monotonic() - began
    runs, run_id = 0, ""
    while killed.total() < count:
        before = set(machine.runs.glob("*"))
        running = machine.start("train", *([f"resume={run_id}"] if run_id else faults.TRAINED))
        running.process.join(rng.uniform(0.02, 1.1) * longest)
        running.process.kill()
        running.process.join()
        status = running.process.exitcode
        if status == -signal.SIGKILL:
            killed[_phase(running)] += 1
        elif status:
            raise AssertionError(running.read("err"))
        made = set(machine.runs.glob("*")) - before
        run_id = run_id or next((one.name for one in made if _began(machine, one.name)), "")
        if status == 0:
            wrong.update(straight.differences(machine, run_id))
            runs, run_id = runs + 1, ""
    if run_id:
        machine.done("train", f"resume={run_id}")
        wrong.update(straight.differences(machine, run_id))
        runs += 1
    seconds = time.monotonic() - began
    print(f"{killed.total()} kills {dict(killed)} of {runs} runs in {seconds:,.0f} s")
    print(dict(wrong) or "nothing is wrong")


def requests(machine: Store, proxy: Proxy, straight: Trained, share: float) -> None:
    """Prints how long each verb takes while a share of its requests fails, and what is wrong."""
    proxy.sometimes(share, *faults.FAULTS, seed=0)
    study = machine.folder / "study.yaml"
    study.write_text(yaml.safe_dump(STUDY))
    quick = ("name=faults", "tracking.system_metrics=false", f"shards={verbs.SCORED}")
    words = {
        "train": (*faults.TRAINED, "register=faults"),
        "sweep": (f"sweep={study}", f"storage={machine.folder}/journal", "slots=2"),
        "promote": (*quick, "version=1", "policy.minimum_gap=0", "policy.resamples=200"),
        "history": ("name=faults",),
    }
    found = {}
    for verb, given in words.items():
        began, before = time.monotonic(), len(proxy.requests)
        found[verb] = machine.done(verb, *given)
        asked = len(proxy.requests) - before
        print(f"{verb:>8} {time.monotonic() - began:6.1f} s {asked:6d} requests")
    wrong = straight.differences(machine, found["train"]["run_id"])
    if found["sweep"]["counts"] != {"complete": STUDY["trials"]}:
        wrong.append("trials")
    if [decision["to"] for decision in found["history"]["decisions"]] != [1]:
        wrong.append("decisions")
    print(wrong or "nothing is wrong")


def fuzz(seconds: float) -> None:
    """Tries properties on new examples, file by file; prints the tests that fail, and why."""
    files = [path for path in TESTS.rglob("test_*.py") if "from hypothesis" in path.read_text()]
    command = [sys.executable, "-m", "pytest", "-n0", "--tb=short", "-p", "no:cacheprovider"]
    command += ["-m", "hypothesis", "--hypothesis-profile=fuzz", "--timeout=3600"]
    began = time.monotonic()
    for path in itertools.cycle(sorted(files)):
        if (passed := time.monotonic() - began) > seconds:
            break
        seed = f"--hypothesis-seed={random.SystemRandom().randrange(2**32)}"
        ended = subprocess.run([*command, seed, str(path)], stdout=subprocess.PIPE, text=True)
        name, said = path.relative_to(TESTS), ended.stdout.splitlines()[-1]
        print(f"{passed / 60:6.1f} min {name}: {said}", flush=True)
        if ended.returncode:
            print(seed, ended.stdout, sep="\n", flush=True)


def _phase(running: Running) -> str:
    told = running.read("err")
    return next(phase for phase, words in PHASES.items() if words in told)


def _began(machine: Store, run_id: str) -> bool:
    """Tells whether a run got so far that it can be resumed."""
    return "config.yaml" in machine.files(run_id)


@contextmanager
def _served() -> Iterator[tuple[Store, Proxy, Trained]]:
    verbs.DEADLINE_SECONDS = 3600.0
    multiprocessing.set_forkserver_preload(verbs.LOADED)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"XDG_CACHE_HOME": f"{folder}/cache", "PYTHONPATH": str(Path.cwd())}
        server = Server(Path(folder))
        server.start()
        server.wait()
        proxy = Proxy(server.uri)
        try:
            store = Store(Path(folder))
            machine = faults.machine_of(store, server.uri, proxy.url, Path(folder, "machine"))
            yield machine, proxy, Trained(machine)
        finally:
            proxy.close()
            server.kill()


if __name__ == "__main__":
    main()

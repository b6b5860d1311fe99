"""What does prediction by shard cost, how does it scale, and does it survive kills?

    python -m benchmarks.batch overhead 4000
    python -m benchmarks.batch scaling 1000
    python -m benchmarks.batch kills 100

`overhead` predicts so many shards of one video each. `scaling` predicts so many copies of a sample
shard with one worker and with two, of one thread each. `kills` predicts three shards for each kill
with four workers, one video at a time. One of them is killed at every one or two parts, and the
driver itself at every tenth kill; then it compares the bytes with those of one process.
"""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests import verbs
from tests.killing import workers
from tests.verbs import Store
from yt8m_exp import cli
from yt8m_exp.serving.parts import folder as parts

QUICK = ("page=false", "tracking.system_metrics=false", "model_uri=models:/batch/1")
SHARD = "sample/video/train/validate0017.tfrecord"
DRIVER_EVERY = 10
SHARDS_A_KILL = 3


def main() -> None:
    """Measures and prints what was asked for."""
    cli.prepare()
    what, count = (*sys.argv[1:], "overhead", "4000")[:2]
    multiprocessing.set_forkserver_preload(verbs.LOADED)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        os.environ["PYTHONPATH"] = str(verbs.PROJECT)
        machine = Store(Path(folder))
        machine.done("train", f"data.train={SHARD}", "epochs=1", "register=batch", "figures=false")
        {"overhead": overhead, "scaling": scaling, "kills": kills}[what](machine, int(count))


def overhead(machine: Store, count: int) -> None:
    """Prints the time of a shard of one video, predicted by one process and by workers."""
    shards = _shards(machine, [[verbs.record(f"{n:05d}")] for n in range(count)])
    for words in ((), ("slots=1",), ("slots=2",)):
        machine.done("inference", f"shards={shards}/*0.tfrecord", _output(machine), *QUICK, *words)
        seconds = _seconds(machine, shards, words)
        print(f"{' '.join(words) or 'alone':10}{1e3 * seconds / count:8.2f} ms a shard")


def scaling(machine: Store, count: int) -> None:
    """Prints how fast one worker and two predict, with a processor each, and the ratio."""
    shards = _shards(machine, [verbs.sample_records(SHARD)] * count)
    one, two = (_seconds_on(machine, shards, slots) for slots in (1, 2))
    print(f"{count} shards: {one:.1f} s with one worker, {two:.1f} s with two: {one / two:.2f}x")


def kills(machine: Store, count: int) -> None:
    """Prints how many kills a prediction took, and whether they changed a byte."""
    rng, records, many = random.Random(0), verbs.sample_records(SHARD), SHARDS_A_KILL * count
    shards = _shards(machine, [records[n % 100 : n % 100 + 150] for n in range(many)])
    output = machine.folder / "kills.csv"
    words = (f"shards={shards}", *QUICK, "batch_size=1")
    killed, drivers, began = 0, 0, time.monotonic()
    while not output.exists():
        running = machine.start("inference", *words, f"output={output}", "slots=4")
        seen = 0
        while running.process.is_alive():
            now = len(parts.found(f"{output}.parts")) if Path(f"{output}.parts").is_dir() else 0
            if killed < count and now > seen:
                seen = now + rng.randint(0, 1)
                if killed % DRIVER_EVERY == DRIVER_EVERY - 1:
                    running.send(signal.SIGKILL)
                    drivers += 1
                elif found := _workers_of(running.process.pid or 0):
                    os.kill(rng.choice(found), signal.SIGKILL)
                else:
                    continue
                killed += 1
            time.sleep(rng.uniform(0, 0.2))
        running.process.join()
    seconds = time.monotonic() - began
    undisturbed = machine.folder / "alone.csv"
    machine.done("inference", *words, f"output={undisturbed}")
    same = output.read_bytes() == undisturbed.read_bytes()
    print(f"{killed} kills on {many} shards, {drivers} of the driver, in {seconds:,.0f} s")
    print("the bytes are those of one process" if same else "THE BYTES DIFFER")


def _workers_of(driver: int) -> list[int]:
    """Returns the workers of a driver: children of its fork server."""
    try:
        servers = psutil.Process(driver).children()
        return [pid for server in servers for pid in workers(server.pid)]
    except (psutil.Error, ProcessLookupError):
        return []


def _seconds(machine: Store, shards: Path, words: Sequence[str]) -> float:
    """Returns the seconds that a prediction takes, without loading TensorFlow in the driver."""
    given = (f"shards={shards}", _output(machine), *QUICK, *words)
    return _taken(machine.done("inference", *given))


def _seconds_on(machine: Store, shards: Path, workers: int) -> float:
    """Returns the seconds that workers take, on as many processors, each with one thread."""
    words = (f"shards={shards}", _output(machine), *QUICK, f"slots={workers}")
    verb = [sys.executable, "-m", "yt8m_exp", "inference", *words]
    done = subprocess.run(
        ["taskset", "-c", f"0-{workers - 1}", *verb],
        env=os.environ | machine.environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    return _taken(json.loads(done.stdout.splitlines()[-1]))


def _taken(result: Mapping[str, Any]) -> float:
    return (result["videos"] + result["repeated"]) / result["videos_per_second"]


def _output(machine: Store) -> str:
    return f"output={machine.folder}/out.csv"


def _shards(machine: Store, contents: Sequence[Sequence[bytes]]) -> Path:
    """Writes shards to a folder, and returns it."""
    folder = machine.folder / "shards"
    folder.mkdir()
    for number, records in enumerate(contents):
        verbs.shard(folder / f"test{number:05d}.tfrecord", *records)
    return folder


if __name__ == "__main__":
    main()

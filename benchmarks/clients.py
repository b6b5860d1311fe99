"""Does a served model stay right, and of one size, under many clients of whom some send nonsense?

    python -m benchmarks.clients [minutes] [clients]

A tenth of the requests is bad, in all the ways of the tests. A good one must get the answer that it
got when the server was alone with it. Prints the memory of the server as time goes on, how many
requests of each kind were answered, and what was wrong.
"""

import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import serving
from benchmarks.servers import Server, records_request
from tests.serving.hostile import hostile
from yt8m_exp import spec

MINUTES, CLIENTS = 10.0, 50
BAD = 0.1
VIDEOS = 200
SAMPLES = 20
SETTLED = 5
"""Samples of the memory before what it has grown to counts: buffers of all threads, caches."""
GROWTH = 1.1


@dataclass
class Load:
    """What clients ask of a server.

    Attributes:
        server: the server.
        good: requests, and their right answers.
        bad: others, with their kinds.
        wrong: what was not as it must be.
        over: ends all clients.
    """

    server: Server
    good: list[tuple[bytes, Any]]
    bad: list[tuple[bytes, str]]
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def client(self, seed: int) -> Counter[str]:
        """Asks again and again; returns how many requests of each kind were answered."""
        rng, seen = random.Random(seed), Counter[str]()
        while not self.over.is_set():
            bad = rng.random() < BAD
            try:
                seen[self._bad(rng) if bad else self._good(rng)] += 1
            except OSError as error:
                self.wrong.append(f"a {'bad' if bad else 'good'} request: {error!r}")
        return seen

    def _good(self, rng: random.Random) -> str:
        body, right = rng.choice(self.good)
        found = self.server.post(body)
        if found != (200, right):
            self.wrong.append(f"a good request got {str(found)[:200]}")
        return "good"

    def _bad(self, rng: random.Random) -> str:
        status, _ = self.server.post(*rng.choice(self.bad))
        return f"bad, answered with {status}"


def main() -> None:
    """Prints the table."""
    given = [float(word) for word in sys.argv[1:]]
    minutes, clients = given + [MINUTES, CLIENTS][len(given) :]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        model = serving.built("logistic", {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO})
        server = serving.served(stack, serving.logged(folder, model), folder / "logistic")
        records = serving.records("video/validate", VIDEOS)
        bodies = [json.dumps(records_request([record])).encode() for record in records]
        right = [server.post(body)[1] for body in bodies]
        trap = folder / "opened"
        load = Load(
            server,
            list(zip(bodies, right, strict=True)),
            list(hostile(random.Random(0), records[0], str(trap))),
        )
        print(f"{clients:.0f} clients, {os.cpu_count()} cores")
        seen = put(load, 60 * minutes, int(clients))
        if trap.exists():
            load.wrong.append("a request was run as code")
        for kind, count in sorted(seen.items()):
            print(f"{count:9,} {kind}")
        print(*(load.wrong[:20] or ["nothing is wrong"]), sep="\n")


def put(load: Load, seconds: float, clients: int) -> Counter[str]:
    """Puts a load on its server; returns how many requests of each kind were answered."""
    sizes: list[float] = []
    with ThreadPoolExecutor(clients) as pool:
        working = [pool.submit(load.client, seed) for seed in range(clients)]
        for sample in range(1, SAMPLES + 1):
            time.sleep(seconds / SAMPLES)
            sizes.append(load.server.resident_mebibytes())
            print(f"{sample * seconds / SAMPLES / 60:6.1f} min {sizes[-1]:8,.0f} MiB", flush=True)
        load.over.set()
    if max(sizes[-SETTLED:]) > GROWTH * max(sizes[SETTLED : 2 * SETTLED]):
        load.wrong.append(f"memory grows: {', '.join(f'{size:,.0f}' for size in sizes)} MiB")
    return sum((future.result() for future in working), Counter[str]())


if __name__ == "__main__":
    main()

"""What do users of a team's stack see when a service fails, and what comes back by itself?

    python -m benchmarks.stack failures [service ...]

It brings up a stack from a fresh clone, in a Docker engine that has its images: as root, after
`tests/stack/engine start` and `images`. `failures` kills each service, takes its memory and fills
its volume, and prints what each request then gets, and after how long all are well again.
"""

import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.stack import running
from tests.stack.machines import docker
from tests.stack.running import Stack

MEBIBYTES = {"postgres": 400, "objects": 200, "uploads": 200}
"""Sizes of the volumes that are filled."""
VOLUMES = {"postgres": "postgres", "objects": "objects", "mlflow": "uploads"}
SERVICES = ("postgres", "objects", "mlflow", "dashboard", "proxy")
ALONE_SECONDS = 90.0
REPAIRED_SECONDS = 240.0
LOOK_SECONDS = 8.0
GIVE_UP_SECONDS = 20.0
HOG, KILLED_FIRST = "tail /dev/zero", "1000"


def main() -> None:
    """Prints what was asked for."""
    what, *words = sys.argv[1:] or ["failures"]
    if reason := running.why_not():
        sys.exit(reason)
    {"failures": failures}[what](words)


def failures(services: Sequence[str]) -> None:
    """Prints a row for each fault of each service."""
    with (
        tempfile.TemporaryDirectory() as folder,
        small_volumes(Path(folder)) as override,
        running.running(Path(folder), running.compose_command(), override) as stack,
    ):
        probes = probes_of(stack)
        for service in services or SERVICES:
            for name, (begin, repair) in faults_of(stack, service, Path(folder)).items():
                wait(probes, REPAIRED_SECONDS)
                begin()
                print(f"{service}, {name}: {', '.join(seen(probes)) or 'nothing'};", end=" ")
                print(recovery(probes, repair), flush=True)


def seen(probes: Mapping[str, Callable[[], str]]) -> list[str]:
    """Returns what requests got that were not served, each answer once."""
    end = time.monotonic() + LOOK_SECONDS
    found: dict[str, dict[str, None]] = {}
    while time.monotonic() < end:
        for name, ask in probes.items():
            if said := ask():
                found.setdefault(said, {})[name] = None
        time.sleep(0.1)
    return [f"{' '.join(names)}: {said}" for said, names in found.items()]


def recovery(probes: Mapping[str, Callable[[], str]], repair: Callable[[], object]) -> str:
    """Returns how all requests came to be served again."""
    if (seconds := wait(probes, ALONE_SECONDS)) is not None:
        repair()
        return f"well by itself within {seconds + LOOK_SECONDS:.0f} s"
    repair()
    seconds = wait(probes, REPAIRED_SECONDS)
    return "lost" if seconds is None else f"well {seconds:.0f} s after its repair"


def wait(probes: Mapping[str, Callable[[], str]], seconds: float) -> float | None:
    """Returns the seconds until all requests are served; None if they are not in time."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        if not any(ask() for ask in probes.values()):
            return time.monotonic() - began
        time.sleep(0.1)
    return None


def probes_of(stack: Stack) -> dict[str, Callable[[], str]]:
    """Returns requests, each of which says what it got, or nothing where it was served."""
    api, artifact = "/api/2.0/mlflow", "/api/2.0/mlflow-artifacts/artifacts/0/probe"
    run = stack.post(f"{api}/runs/create", {"experiment_id": "0"}, "anna").json()["run"]
    steps = itertools.count()

    def points() -> dict[str, object]:
        new = [{"key": "x", "value": 1, "timestamp": 1, "step": next(steps)} for _ in range(500)]
        return {"run_id": run["info"]["run_id"], "metrics": new}

    def ask(
        method: str, path: str, user: str, data: bytes | None = None, body: Any = None
    ) -> Callable[[], str]:
        def asked() -> str:
            login, more = (user, stack.password(user)), {"json": body()} if body else {"data": data}
            url, limit = stack.url + path, GIVE_UP_SECONDS
            try:
                answer = requests.request(method, url, auth=login, timeout=limit, **more)
            except requests.Timeout:
                return f"no answer in {limit:g} s"
            except requests.RequestException:
                return "a broken connection"
            return "" if answer.ok else f"{answer.status_code} {' '.join(answer.text.split())[:90]}"

        return asked

    return {
        "runs": ask("GET", f"{api}/experiments/search?max_results=5", "rita"),
        "metric": ask("POST", f"{api}/runs/log-batch", "anna", body=points),
        "upload": ask("PUT", artifact, "anna", data=os.urandom(1_000_000)),
        "download": ask("GET", artifact, "rita"),
        "dashboard": ask("GET", "/api/studies", "rita"),
    }


def faults_of(
    stack: Stack, service: str, folder: Path
) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Returns each fault of a service: what begins it, and what repairs it."""

    def start() -> None:
        stack.compose("start", service)

    found = {
        "docker kill": (lambda: docker("kill", stack.container(service)), start),
        "crash": (lambda: os.kill(pid_of(stack.container(service)), 9), start),
        "out of memory": (lambda: exhaust(stack.container(service)), start),
    }
    if service in VOLUMES:
        ballast = folder / VOLUMES[service] / "ballast"
        found["full volume"] = (lambda: fill(ballast), ballast.unlink)
    return found


def pid_of(container: str) -> int:
    """Returns the process of a container's command, which its init started."""
    return int(docker("inspect", "-f", "{{.State.Pid}}", container))


def exhaust(container: str) -> None:
    """Takes a container's memory until the kernel kills a process of its service."""
    words = ("exec", "-i", "-u", "0", container, "sh", "-c", f"read line; exec {HOG}")
    began = str(int(time.time()))
    with subprocess.Popen(["docker", *words], stdin=subprocess.PIPE) as hog:
        assert hog.stdin is not None
        while HOG not in (listed := docker("top", container, "-eo", "pid,args")):
            time.sleep(0.05)
        pids = {HOG in line: int(line.split()[0]) for line in listed.splitlines()[1:]}
        for line in listed.splitlines()[1:]:
            if HOG not in line:
                Path(f"/proc/{line.split()[0]}/oom_score_adj").write_text(KILLED_FIRST)
        hog.stdin.write(b"\n")
        hog.stdin.close()
        events = ("events", "--since", began, "--filter", f"container={container}")
        with subprocess.Popen(
            ["docker", *events, "--filter", "event=oom"], stdout=subprocess.PIPE
        ) as listening:
            assert listening.stdout is not None
            listening.stdout.readline()
            listening.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids[True], 9)


def fill(ballast: Path) -> None:
    """Writes a file until its file system is full."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


@contextmanager
def small_volumes(folder: Path) -> Iterator[str]:
    """Makes file systems of the sizes of `MEBIBYTES`; yields a compose file that uses them."""
    volumes = {}
    for name, size in MEBIBYTES.items():
        (folder / name).mkdir()
        options = f"size={size}m,mode=1777"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, name, folder / name], check=True)
        place = {"type": "none", "o": "bind", "device": str(folder / name)}
        volumes[name] = {"driver_opts": place}
    try:
        yield yaml.safe_dump({"volumes": volumes})
    finally:
        for name in MEBIBYTES:
            subprocess.run(["umount", folder / name], check=True)


if __name__ == "__main__":
    main()

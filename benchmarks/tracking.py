"""What does tracking cost the training loop? Nothing, `MetricWriter`, and MLflow's own call.

    python -m benchmarks.tracking

One table from one run, on a new sqlite database. "per point" is the time inside the call, divided
by the metrics of the call; "in calls" is the share of the training's time inside those calls;
"training" is the time of the same steps against none, with what the writer's thread takes from
them (steps compute on all cores here; with a GPU the thread has a core to itself).
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient

from yt8m_exp.tracking.outbox.writer import MetricWriter

METRICS = {"train/loss": 0.1, "train/examples_per_second": 9e3, "learning_rate": 1e-3, "gap": 0.8}
STEPS = 150
STEPS_A_CALL = 10
ROUNDS = 4
BATCH = 1024

Log = Callable[[Mapping[str, float], int], object]


def main() -> None:
    """Measures and prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        with mlflow.start_run() as run:
            journal = Path(folder) / "metrics.jsonl"
            writer = MetricWriter(MlflowClient(), run.info.run_id, journal)
            rows = measure({"none": _ignore, "writer": writer.log, "mlflow": _synchronous})
            writer.close()
    print(f"{STEPS} steps, {len(METRICS)} metrics every {STEPS_A_CALL} steps, {ROUNDS} rounds")
    print(f"{'tracking':>8} {'per point':>12} {'worst call':>12} {'in calls':>9} {'training':>9}")
    base = statistics.median(total for total, _ in rows["none"])
    for name, rounds in rows.items():
        calls = [seconds for _, times in rounds for seconds in times]
        total = statistics.median(total for total, _ in rounds)
        per_point = statistics.median(calls) / len(METRICS)
        share = sum(calls) / sum(total for total, _ in rounds)
        print(
            f"{name:>8} {per_point * 1e6:>9.1f} us {max(calls) * 1e3:>9.2f} ms "
            f"{share:>9.3%} {total / base - 1:>+9.1%}"
        )


def measure(logs: Mapping[str, Log]) -> dict[str, list[tuple[float, list[float]]]]:
    """Returns, per way of logging and round, the seconds of the steps and of each call.

    The ways take turns, so that a busy moment of the machine falls on all of them.

    Args:
        logs: The ways of logging by name.
    """
    rows: dict[str, list[tuple[float, list[float]]]] = {name: [] for name in logs}
    for number in range(ROUNDS):
        for name, log in logs.items():
            rows[name].append(train(log, first_step=number * STEPS * BATCH))
    return rows


def train(log: Log, *, first_step: int) -> tuple[float, list[float]]:
    """Runs the steps; returns their seconds and those of each call.

    Args:
        log: Takes metrics and a step.
        first_step: Examples seen before.
    """
    features = np.ones((BATCH, 1152), np.float32)
    weights = np.ones((1152, 1024), np.float32)
    calls = []
    start = time.perf_counter()
    for step in range(1, STEPS + 1):
        features @ weights
        if step % STEPS_A_CALL == 0:
            before = time.perf_counter()
            log(METRICS, first_step + step * BATCH)
            calls.append(time.perf_counter() - before)
    return time.perf_counter() - start, calls


def _ignore(metrics: Mapping[str, float], step: int) -> None:
    """Logs nothing."""


def _synchronous(metrics: Mapping[str, float], step: int) -> None:
    mlflow.log_metrics(dict(metrics), step=step)


if __name__ == "__main__":
    main()

"""How long does `compare` take of a thousand runs, and what of it is the store's?

    python -m benchmarks.comparing [runs]

The runs have the parameters, tags, metrics, curves and models of a training, in an sqlite store.
The process is timed from its start to its end, its stages in a process that has imported them.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric, Param, RunTag

from tests import made_store
from yt8m_exp.config import compose
from yt8m_exp.evaluation import metrics
from yt8m_exp.plots.browser import versus
from yt8m_exp.tracking import comparison, configuration, datasets, queries, store

CURVE = range(23_091, 230_911, 23_091)
"""Examples seen at the evaluations of ten epochs."""
SPENT = {"cost/seconds": 412.0, "train/examples_per_second": 5600.0}
TAGS = {"verb": "train", "hardware": "8 cores", "commit": "0" * 40, "command": "yt8m train " * 20}
ROUNDS = 3


def main() -> None:
    """Prints a line for each stage, the best of some rounds."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        client = store.connect()
        make(client, store.experiment_id(client, "yt8m"), count)
        words = ["compare", "filter=tags.verb = 'train'", f"most={count}"]
        words.append(f"output={folder}/page.html")
        process = [sys.executable, "-m", "yt8m_exp", *words]
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            subprocess.run(process, check=True, capture_output=True)
            taken = {"the process": time.perf_counter() - begin} | stages(client, count)
            best = {key: min(best.get(key, seconds), seconds) for key, seconds in taken.items()}
        print(f"{count:,} runs, page of {Path(folder, 'page.html').stat().st_size / 1e6:.1f} MB")
        for name, seconds in best.items():
            print(f"{name:24}{seconds:8.2f} s")


def make(client: MlflowClient, experiment_id: str, count: int) -> None:
    """Writes trainings as `train` writes them."""
    rng = random.Random(0)
    tags = [RunTag(key, value) for key, value in TAGS.items()]
    plain = compose.plain(compose.compose("train", []))
    for number in range(count):
        plain["seed"], plain["learning_rate"] = number, 10 ** rng.uniform(-3, -1)
        params = configuration.flatten(plain) | configuration.choices(plain)
        run_id = client.create_run(experiment_id, run_name=f"moe {number}").info.run_id
        gap = rng.uniform(0.6, 0.7)
        points = [
            Metric(metric.name, gap - 1 / step, step, step)
            for metric in metrics.TABLE
            for step in CURVE
        ]
        points += [Metric(f"best/{m.name}", gap, 1, 230_910) for m in metrics.TABLE]
        points += [Metric("train/loss", 5.0, step, step) for step in CURVE]
        points += [Metric(key, value, 1, 230_910) for key, value in SPENT.items()]
        client.log_batch(run_id, points, [Param(*item) for item in params.items()], tags)
        model = client.create_logged_model(
            experiment_id, "moe", run_id, params={"parameters": "5", "bytes": "20"}
        )
        for context in made_store.SIZES:
            manifest = made_store.manifest(context, "video")
            run: Any = SimpleNamespace(client=client, id=run_id)
            datasets.log(run, manifest, name=f"yt8m-{context}", context=context)
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 230_910)])


def stages(client: MlflowClient, count: int) -> dict[str, float]:
    """Returns the seconds of each stage of a comparison."""
    taken, begin = {}, time.perf_counter()
    runs = comparison.find(client, "yt8m", [], "tags.verb = 'train'", most=count)
    taken["finding the runs"] = time.perf_counter() - begin
    begin = time.perf_counter()
    queries.points(client, [run.info.run_id for run in runs], metrics.GAP.name)
    taken["their curves"] = time.perf_counter() - begin
    begin = time.perf_counter()
    queries.models(client, runs)
    taken["their models"] = time.perf_counter() - begin
    described = comparison.describe(client, runs)
    begin = time.perf_counter()
    versus.render(described, metrics.TABLE, None)
    taken["the page"] = time.perf_counter() - begin
    return taken


if __name__ == "__main__":
    main()

"""Makes a store with about 200 runs of all kinds, to look at MLflow's pages.

    python -m tests.made_store <folder>

A few runs are real: verbs make them on the sample, with models and figures. The others are written
through the tracking interface by the functions that verbs use, with made-up curves.
"""

import math
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric

from tests.verbs import PROJECT
from yt8m_exp.config import compose
from yt8m_exp.config.overrides import override
from yt8m_exp.tracking import configuration, datasets, store
from yt8m_exp.tracking.pages import cards, logged_models
from yt8m_exp.tracking.trials import Outcome, TrialRuns

REAL = (
    ("train", "epochs=3", "register=yt8m"),
    ("train", "model=moe", "epochs=2", "register=yt8m"),
    ("eval", "model_uri=models:/yt8m/1"),
    ("inference", "model_uri=models:/yt8m/1", "output={folder}/predictions.csv"),
    ("promote", "version=1"),
    ("promote", "version=2"),
    (
        "sweep",
        "sweep=logistic",
        "trials=3",
        'fixed=["epochs=2","evaluate_every=512"]',
        "register=yt8m",
    ),
)
MODELS = {"logistic": 0.70, "moe": 0.71, "resnet_mlp": 0.712, "dbof": 0.69, "lstm": 0.72}
SIZES = {"train": (23_091, 96), "validate": (5_701, 24)}
EVALUATIONS, TRIALS = 12, 60


def main() -> None:
    """Makes the store in the folder that the command line names."""
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    for verb, *words in REAL:
        given = [word.format(folder=folder) for word in words]
        runs = [f"tracking.runs={folder}/runs"]
        more = [f"storage={folder}/studies.journal"] if verb == "sweep" else []
        subprocess.run(
            [sys.executable, "-m", "yt8m_exp", verb, *given, *runs, *more], check=True, cwd=PROJECT
        )
    client = store.connect()
    experiment_id = store.experiment_id(client, "yt8m")
    rng = random.Random(0)
    best = [train(client, experiment_id, rng, number) for number in range(80)]
    for model_id, run_id in best[:48]:
        evaluate(client, experiment_id, rng, model_id, run_id)
    for study in ("moe", "video_level"):
        tune(client, experiment_id, rng, study, folder)


def train(
    client: MlflowClient, experiment_id: str, rng: random.Random, number: int
) -> tuple[str, str]:
    """Writes a training run with its model; returns the ids of both."""
    model = rng.choice(list(MODELS))
    rate = float(f"{10 ** rng.uniform(-3.2, -1.3):.2g}")
    loss = rng.choice(["cross_entropy", "cross_entropy", "hinge"])
    data = "frame" if model in ("dbof", "lstm") else "video"
    words = [
        f"data={data}",
        f"model={model}",
        f"loss={loss}",
        override("learning_rate", rate),
        f"seed={number}",
    ]
    name = f"{model} · {SIZES['train'][0]:,} videos · lr {rate:.3g}" + (
        f" · loss {loss}" * (loss == "hinge")
    )
    run_id = client.create_run(experiment_id, run_name=name, tags={"verb": "train"}).info.run_id
    config = compose.plain(compose.compose("train", words))
    configuration.log_config(client, client.get_run(run_id), config, 0)
    manifests = {context: manifest(context, data) for context in SIZES}
    for context, one in manifests.items():
        run: Any = SimpleNamespace(client=client, id=run_id)
        datasets.log(run, one, name=f"yt8m-{context}", context=context)
    values = curve(
        client, run_id, MODELS[model] - abs(math.log10(rate) + 2) / 20 + rng.gauss(0, 0.003)
    )
    made = client.create_logged_model(
        experiment_id,
        f"{model}-{run_id[:8]}",
        run_id,
        {logged_models.ROLE: "best"},
        {"examples": "230910"},
        "keras",
    )
    client.finalize_logged_model(made.model_id, "READY")
    log(
        client,
        run_id,
        {f"best/val/{key}": value for key, value in values.items()},
        230_910,
        made.model_id,
        manifests["validate"],
    )
    card = cards.training(
        model,
        values,
        manifests,
        command=compose.command("train", words),
        settings=configuration.settings(client.get_run(run_id).data.params),
        model_uri=f"models:/{made.model_id}",
        examples=230_910,
        limits="The best of all evaluations on these videos is reported, so it flatters a little.",
    )
    cards.describe(client, run_id, card)
    client.set_logged_model_tags(made.model_id, {cards.NOTE: card})
    client.set_terminated(run_id, "FAILED" if number % 23 == 22 else "FINISHED")
    return made.model_id, run_id


def evaluate(
    client: MlflowClient, experiment_id: str, rng: random.Random, model_id: str, run_id: str
) -> None:
    """Writes the evaluation of a model."""
    theirs = client.get_run(run_id).data.metrics["best/val/gap"]
    name = f"eval · {client.get_logged_model(model_id).name} · 5,701 videos"
    ours = client.create_run(experiment_id, run_name=name, tags={"verb": "eval"}).info.run_id
    values = scores(theirs + rng.gauss(0, 0.004))
    log(client, ours, {f"val/{key}": value for key, value in values.items()}, 230_910)
    what = cards.model_link(client, f"models:/{model_id}")
    cards.describe(client, ours, f"Evaluation of {what}:\n\n{cards.scores(values)}")
    client.set_terminated(ours, "FINISHED")


def tune(
    client: MlflowClient, experiment_id: str, rng: random.Random, study: str, folder: Path
) -> None:
    """Writes a study with its trials, some of which were pruned or failed."""
    parent = client.create_run(experiment_id, run_name=study, tags={"verb": "sweep"}).info.run_id
    runs = TrialRuns(client, study, parent, folder / "runs")
    for number in range(TRIALS // 2):
        rate = float(f"{10 ** rng.uniform(-3.2, -1.3):.3g}")
        params = {"learning_rate": rate, "model.dropout": round(rng.uniform(0, 0.6), 3)}
        trial = runs.begin(number, params, None)
        words = ["model=moe", *(override(*item) for item in params.items())]
        client.set_tag(trial.id, "command", compose.command("train", words))
        gap = 0.71 - abs(math.log10(rate) + 2) / 15
        state = (
            "failed"
            if number == 7
            else "infeasible"
            if number == 11
            else "complete"
            if gap > 0.68
            else "pruned"
        )
        reason = {
            "failed": "NotFiniteError: The loss is not finite at 12,288 examples.",
            "infeasible": "bytes <= 4.0e8 must hold, but this model has 512,000,000.",
            "pruned": f"val/gap {gap:.4f} at 46,182 examples is below the 35th percentile.",
        }.get(state, "")
        if state == "complete":
            config = compose.plain(compose.compose("train", words))
            configuration.log_config(client, client.get_run(trial.id), config, 0)
            values = curve(client, trial.id, gap)
            log(
                client,
                trial.id,
                {f"best/val/{key}": value for key, value in values.items()},
                230_910,
            )
        runs.end(
            Outcome(trial.id, number, state, 230_910 if state == "complete" else 46_182, reason)
        )
    cards.describe(client, parent, f"Trials of {study}: {TRIALS // 2}.")
    client.set_terminated(parent, "FINISHED")


def curve(client: MlflowClient, run_id: str, gap: float) -> dict[str, float]:
    """Logs a curve that rises to a GAP; returns the metrics at its end."""
    points = []
    for step in range(1, EVALUATIONS + 1):
        seen = 230_910 * step // EVALUATIONS
        values = scores(gap * (1 - math.exp(-3 * step / EVALUATIONS)) / (1 - math.exp(-3)))
        named = {f"val/{key}": value for key, value in values.items()} | {
            "train/loss": 8 / (1 + step)
        }
        points += [Metric(key, value, step, seen) for key, value in named.items()]
    client.log_batch(run_id, metrics=points)
    return scores(gap)


def scores(gap: float) -> dict[str, float]:
    """Returns metrics of a model with a GAP."""
    return {
        "gap": gap,
        "hit_at_1": gap + 0.12,
        "perr": gap - 0.05,
        "map": gap - 0.33,
        "loss": 9 - 6 * gap,
    }


def log(
    client: MlflowClient,
    run_id: str,
    values: Mapping[str, float],
    step: int,
    model_id: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Logs metrics, of a model and of data."""
    about = ("yt8m-validate", data["digest"]) if data else (None, None)
    points = [
        Metric(key, value, 1, step, model_id, *about, run_id) for key, value in values.items()
    ]
    client.log_batch(run_id, metrics=points)


def manifest(context: str, level: str) -> dict[str, Any]:
    """Returns shards as a run logs them."""
    records, shards = SIZES[context]
    features = (
        {"rgb": 1024, "audio": 128} if level == "frame" else {"mean_rgb": 1024, "mean_audio": 128}
    )
    names = [
        {"name": f"{context}{number:04}.tfrecord", "bytes": 1_000_000} for number in range(shards)
    ]
    return {
        "digest": f"{hash((context, level)) & (1 << 128) - 1:032x}"[:32],
        "source": [f"/data/yt8m/{level}/{context}*.tfrecord"],
        "records": records,
        "features": features,
        "classes": 3862,
        "level": level,
        "shards": names,
    }


if __name__ == "__main__":
    main()

"""Descriptions of runs, models and versions, in Markdown, and links between their pages."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from yt8m_exp.evaluation import metrics

NOTE = "mlflow.note.content"
GAP = "&emsp;"
PATTERNS_CHARACTERS, LINE_CHARACTERS = 200, 88


def describe(client: MlflowClient, run_id: str, text: str) -> None:
    """Sets the description of a run."""
    client.set_tag(run_id, NOTE, text)


def run_link(client: MlflowClient, run_id: str, text: str | None = None) -> str:
    """Returns a link to the page of a run, under its name by default."""
    info = client.get_run(run_id).info
    return f"[{text or info.run_name}](#/experiments/{info.experiment_id}/runs/{run_id})"


def model_link(client: MlflowClient, model_uri: str) -> str:
    """Returns a link to the page of a model: of a registered version, or of a logged model."""
    path = model_uri.removeprefix("models:/")
    if path == model_uri:
        return f"`{model_uri}`"
    if "/" in path:
        name, _, version = path.rpartition("/")
        return f"[{name}, version {version}](#/models/{name}/versions/{version})"
    try:
        model = client.get_logged_model(path)
    except MlflowException:  # it is deleted, or of another store
        return f"`{model_uri}`"
    return f"[{model.name}](#/experiments/{model.experiment_id}/models/{path})"


def scores(values: Mapping[str, float | None]) -> str:
    """Returns a table of metrics.

    Args:
        values: by key.
    """
    listed = [metric for metric in metrics.TABLE if metric.key in values]
    row = [_number(values[metric.key]) for metric in listed]
    return table([metric.title for metric in listed], [row])


def data(manifests: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns a table of what was read.

    Args:
        manifests: as plain data, by what they were read for.
    """
    rows = [
        [
            context,
            f"{manifest['records']:,}",
            f"{len(manifest['shards']):,}",
            f"`{manifest['digest']}`",
            f"`{', '.join(map(str, manifest['source']))[:PATTERNS_CHARACTERS]}`",
        ]
        for context, manifest in manifests.items()
    ]
    return table(["data", "videos", "shards", "digest", "patterns"], rows)


def training(
    model: str,
    values: Mapping[str, float | None],
    manifests: Mapping[str, Mapping[str, Any]],
    *,
    command: str,
    settings: Mapping[str, str],
    model_uri: str,
    limits: str,
    examples: int,
    leaked: int = 0,
) -> str:
    """Returns the card of a trained model, which is also the description of its run.

    Args:
        model: its name.
        values: its metrics by key.
        manifests: `train` and `validate`, as plain data.
        command: what repeats it.
        settings: how it was trained, by name.
        model_uri: the logged model.
        limits: what its numbers do not say.
        examples: how many it has seen.
        leaked: how many videos were both trained and measured on.
    """
    seen, measured = manifests["train"]["records"], manifests["validate"]["records"]
    return "\n\n".join([
        f"`{model}`, {trained_on(seen, examples)}, {measured_on(measured, leaked)}:",
        scores(values),
        "**Data**",
        data(manifests),
        "**Recipe.** " + ", ".join(f"{name} `{value}`" for name, value in settings.items()),
        code(command),
        f"**Limits.** {limits}",
        f'**Load.** `mlflow.pyfunc.load_model("{model_uri}")`; inputs and outputs are in its '
        "signature. Curves are over examples seen; figures and tables are among the artifacts.",
    ])  # fmt: skip


def trained_on(videos: int, examples: int, *, is_exact: bool = True) -> str:
    """Says on how many videos a model was trained: not on all in a part of an epoch."""
    part = f"{examples:,} of " if examples < videos else ""
    return f"trained on {part}{'' if is_exact else 'about '}{videos:,} videos"


def measured_on(videos: int, leaked: int) -> str:
    """Says on how many videos a model was measured, and how many of them it was trained on."""
    if leaked:
        return f"measured on {videos:,}, of which {leaked:,} were trained on"
    return f"measured on {videos:,} others"


def code(command: str) -> str:
    """Returns a command as a block of lines that fit MLflow's pages, which break none."""
    first, *words = map(shlex.quote, shlex.split(command))
    lines = [first]
    for word in words:
        if len(lines[-1]) + len(word) < LINE_CHARACTERS:
            lines[-1] += f" {word}"
        else:
            lines.append(f"    {word}")
    return "```\n" + " \\\n".join(lines) + "\n```"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table, with gaps between columns: MLflow's pages show none."""
    lines = [f"{GAP} | ".join(line) for line in [head, *rows]]
    lines.insert(1, " | ".join(["---"] * len(head)))
    return "\n".join(f"| {line} |" for line in lines)


def _number(value: float | None) -> str:
    return metrics.NO_NUMBER if value is None else f"{value:.4f}"

"""MLflow's command line, in a process that is forked from one that has loaded MLflow."""

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path


def start(
    words: Sequence[str], environment: Mapping[str, str], out: str | Path, err: str | Path
) -> BaseProcess:
    """Starts `mlflow` with all of an environment; it is the leader of a group of processes."""
    process = multiprocessing.get_context("forkserver").Process(
        target=run_here, args=(words, dict(environment), out, err), daemon=True
    )
    process.start()
    return process


def run_here(
    words: Sequence[str], environment: Mapping[str, str], out: str | Path, err: str | Path
) -> None:
    """Becomes MLflow's command: its environment, its output into files, and its exit status."""
    os.setsid()
    for descriptor, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    from mlflow.cli import cli  # which the tests' own processes do not need

    cli(words)

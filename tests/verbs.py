"""Verbs as people run them: a process each, forked from one that has loaded TensorFlow."""

import importlib
import json
import multiprocessing
import os
import resource
import runpy
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from filelock import FileLock

from tests import mlflow_command, once
from tests.data.examples import example, floats, integers, text
from yt8m_exp import spec
from yt8m_exp.config import key_types
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.evaluation import metrics

PROJECT = Path(__file__).parents[1]
SHARD = "sample/video/train/validate0017.tfrecord"
SCORED = "sample/video/validate/validate0076.tfrecord"
SMALL = (
    f"data.train={SHARD}",
    f"data.validate={SCORED}",
    "~data.features.mean_rgb",
    "tracking.system_metrics=false",
    "jit_compile=false",
    "figures=false",
)
"""A small model on one shard, for what needs no good one and looks at no figure."""
LOADED = ["tests.loaded"]
"""What the process loads from which verbs are forked."""
DEADLINE_SECONDS = 120.0
CURVES = ("train/loss", "learning_rate", *(metric.name for metric in metrics.curves()))


class Outcome(NamedTuple):
    """How a verb ended: its exit status, its last line decoded, and what it wrote."""

    status: int
    result: Any
    out: str
    err: str

    @property
    def sentence(self) -> str:
        return self.err.strip().splitlines()[-1]


class Running:
    """A verb at work."""

    def __init__(
        self,
        folder: Path,
        verb: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        most_bytes: int | None,
        **options: Any,
    ):
        self.folder = folder
        self.process = multiprocessing.get_context("forkserver").Process(
            target=run_here,
            args=(verb, words, folder, environment, most_bytes),
            kwargs=options,
            daemon=verb not in ("sweep", "inference", "check"),  # which have children
        )
        self.process.start()

    def wait(self) -> Outcome:
        self.process.join(DEADLINE_SECONDS)
        assert self.process.exitcode is not None, self.read("err")
        out = self.read("out")
        result = json.loads(out.splitlines()[-1]) if self.process.exitcode == 0 else None
        return Outcome(self.process.exitcode, result, out, self.read("err"))

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid or 0, number)

    def until(self, found: Callable[[], Any]) -> Any:
        """Returns what `found` finds while the verb works; fails if it ends before."""
        end = time.monotonic() + DEADLINE_SECONDS
        while not (value := found()):
            assert self.process.is_alive(), self.read("err")
            assert time.monotonic() < end
            time.sleep(0.02)
        return value

    def read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""


class Store:
    """A tracking store, and the verbs that write to it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.runs = folder / "runs"
        self.uri = f"sqlite:///{folder}/mlflow.db"
        self.environment = {
            "MLFLOW_TRACKING_URI": self.uri,
            "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"],
        }
        self.started = 0

    def start(
        self, verb: str, *words: str, most_bytes: int | None = None, **options: Any
    ) -> Running:
        folder = self._folder()
        if "tracking.runs" in key_types.TYPES[verb] and not any(
            "tracking.runs=" in w for w in words
        ):
            words = (*words, f"tracking.runs={self.runs}")
        return Running(folder, verb, words, self.environment, most_bytes, **options)

    def run(self, verb: str, *words: str, most_bytes: int | None = None) -> Outcome:
        return self.start(verb, *words, most_bytes=most_bytes).wait()

    def done(self, verb: str, *words: str) -> dict[str, Any]:
        """Runs a verb that must succeed; returns its last line."""
        outcome = self.run(verb, *words)
        assert outcome.status == 0, outcome.err
        return outcome.result

    def mlflow_run(self, verb: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Runs a verb by its entry point in MLproject; returns its last line."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        folder = self._folder()
        process = mlflow_command.start(
            ["run", str(PROJECT), "-e", verb, "--env-manager", "local"]
            + [word for pair in parameters.items() for word in ("-P", "{}={}".format(*pair))],
            {**os.environ, **self.environment, "PATH": path},
            folder / "out",
            folder / "err",
        )
        process.join()
        assert process.exitcode == 0, (folder / "err").read_text()
        return json.loads((folder / "out").read_text().splitlines()[-1])

    def _folder(self) -> Path:
        """A folder for the output of one more process."""
        self.started += 1
        folder = self.folder / "processes" / str(self.started)
        folder.mkdir(parents=True)
        return folder

    @property
    def client(self):
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def run_ids(self) -> set[str]:
        """The ids of all runs, read from the database itself: it may hold hundreds of runs."""
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as connection:
            return {run_id for (run_id,) in connection.execute("SELECT run_uuid FROM runs")}

    def search(self, words: str = "") -> list[Any]:
        """The runs that a filter of MLflow finds."""
        experiments = [found.experiment_id for found in self.client.search_experiments()]
        return list(self.client.search_runs(experiments, words))

    def get(self, run_id: str):
        return self.client.get_run(run_id)

    def status(self, run_id: str) -> str:
        return self.get(run_id).info.status

    def files(self, run_id: str, folder: str | None = None) -> set[str]:
        return {file.path for file in self.client.list_artifacts(run_id, folder)}

    def text(self, run_id: str, path: str) -> str:
        return Path(self.get(run_id).info.artifact_uri, path).read_text()

    def curve(self, run_id: str, key: str) -> list[tuple[int, float]]:
        history = self.client.get_metric_history(run_id, key)
        return sorted((point.step, point.value) for point in history)

    def model(self, model_uri: str) -> Path:
        """Returns the folder of a logged model."""
        model = self.client.get_logged_model(model_uri.removeprefix("models:/"))
        return Path(model.artifact_location)

    def checkpoints(self, run_id: str) -> list[Path]:
        return sorted((self.runs / run_id / "checkpoints").glob("checkpoint-*.npz"))

    def start_run(
        self, verb: str, *words: str, most_bytes: int | None = None
    ) -> tuple[Running, str]:
        """Starts a verb; returns it once it has a run, and the run's id."""
        before = set(self.runs.glob("*"))
        running = self.start(verb, *words, most_bytes=most_bytes)
        (folder,) = running.until(lambda: set(self.runs.glob("*")) - before)
        return running, folder.name


def run_here(
    verb: str,
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    most_bytes: int | None,
    **options: Any,
) -> None:
    """Becomes the verb: its arguments, its output into files, and its exit status.

    Options go to its `run`.
    """

    os.chdir(PROJECT)
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY), descriptor)
    if most_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    sys.argv = [f"{verb}.py", *words]
    if options:
        job = importlib.import_module(f"yt8m_exp.jobs.{verb}")
        job.run = partial(job.run, **options)
    runpy.run_module(f"yt8m_exp.{verb}", run_name="__main__")


@pytest.fixture(scope="session", autouse=True)
def process_server(cache: Path) -> Iterator[None]:
    """What the server of processes loads, whichever test starts it.

    Otherwise a process would take the code of a model that was loaded before for the project's.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's `&` ignores
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PROJECT))
        patch.setenv("MLFLOW_LOGGING_LEVEL", "WARNING")
        multiprocessing.set_forkserver_preload(LOADED)
        yield


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty tracking database, made once for all workers, as its migrations take seconds."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path = folder / "empty.db"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            made = path.with_suffix(".made")
            SqlAlchemyStore(f"sqlite:///{made}", str(folder))
            made.rename(path)
    return path


def copy_database(database: Path, folder: Path) -> None:
    """Gives a folder a tracking database, whose artifacts go to that folder too."""
    copied = shutil.copy(database, folder / "mlflow.db")
    with closing(sqlite3.connect(copied)) as connection, connection:
        place = f"{folder}/mlruns/0"
        connection.execute("UPDATE experiments SET artifact_location = ?", [place])


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, process_server: None, database: Path) -> Store:
    """A store of its own for the tests of verbs, with all their runs."""
    forkserver.ensure_running()
    once.read_schema()
    made = Store(tmp_path_factory.mktemp("store"))
    copy_database(database, made.folder)
    return made


@pytest.fixture(scope="session")
def trained(store: Store) -> dict[str, Any]:
    """The last line of a training on two shards, registered as `tagger`."""
    shards = "[sample/video/train/validate0017.tfrecord,sample/video/train/validate0040.tfrecord]"
    return store.done("train", f"data.train={shards}", "epochs=3", "register=tagger")


@pytest.fixture(scope="session")
def framed(store: Store) -> dict[str, Any]:
    """The last line of a training on frames, registered as `framed`."""
    return store.done("train", "data=frame", "batch_size=14", "epochs=3", "register=framed")


@pytest.fixture
def client(store: Store, trained: dict[str, Any]) -> Iterator[Any]:
    """Our client of the store that holds a trained run, which is also this process's store."""
    from yt8m_exp.tracking.connection.client import Client

    with here(store):
        yield Client(store.uri)


@contextmanager
def here(store: Store) -> Iterator[None]:
    """Makes a store that of this process."""
    import mlflow

    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store.uri)
        mlflow.set_tracking_uri(store.uri)
        yield
    mlflow.set_tracking_uri(before)


def record(name: str, **other: bytes | None) -> bytes:
    """A serialized video of the 2018 release; `other` features replace its own."""
    rng = np.random.default_rng(len(name))
    features = {
        "id": text(name.encode()),
        "labels": integers(0, 7),
        "mean_rgb": floats(rng.normal(size=spec.RGB).tolist()),
        "mean_audio": floats(rng.normal(size=spec.AUDIO).tolist()),
    }
    return example(**{key: value for key, value in (features | other).items() if value is not None})


def shard(path: Path, *records: bytes) -> Path:
    tfrecord.write(path, records)
    return path


def sample_records(path: str) -> list[bytes]:
    data = (PROJECT / path).read_bytes()
    frames, _ = tfrecord.index(data, checksums=False)
    return [data[start : start + size] for start, size in zip(*frames, strict=True)]

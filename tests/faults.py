"""A tracking server behind a proxy, the machines that use it, and what a fault left of a run."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.proxy import Proxy, cut, failing, lost, reset
from tests.tracking.server import Server
from tests.verbs import CURVES, SMALL, Store, copy_database
from yt8m_exp.tracking.pages.logged_models import ROLE

TRAINED = (
    *SMALL,
    *("epochs=3", "batch_size=64", "log_every=64", "evaluate_every=256"),
)
FAULTS = (reset, lost, cut, failing(500), failing(503), failing(429, Retry_After="0"))
"""What may go wrong with one request in ten: before the server sees it, and after."""


class Trained:
    """A training that nothing disturbed, with which others are compared."""

    def __init__(self, store: Store):
        run_id = store.done("train", *TRAINED)["run_id"]
        self.weights = _arrays(store, run_id)
        self.curves = {key: store.curve(run_id, key) for key in CURVES}

    def differences(self, machine: Store, run_id: str) -> list[str]:
        """Returns how a run of the same words differs from this one, and what it left behind."""
        run, weights = machine.get(run_id), _arrays(machine, run_id)
        models = machine.client.search_logged_models(
            [run.info.experiment_id], f"source_run_id = '{run_id}'"
        )
        files = {path.name for path in (machine.runs / run_id / "checkpoints").iterdir()}
        last = sorted(files)[-1]
        right = {
            "weights": weights.keys() == self.weights.keys()
            and all(np.array_equal(weights[name], self.weights[name]) for name in weights),
            "curves": {key: machine.curve(run_id, key) for key in CURVES} == self.curves,
            "status": run.info.status == "FINISHED" and "error" not in run.data.tags,
            "scores": len(machine.curve(run_id, "best/val/gap")) == 1,
            "models": [(model.tags[ROLE], model.status) for model in models] == [("best", "READY")],
            "uploads": {f"checkpoints/{name}" for name in ("best.keras", last)}
            <= machine.files(run_id, "checkpoints"),
            "files": len(files) == 3,
        }
        return [name for name, holds in right.items() if not holds]


def _arrays(machine: Store, run_id: str) -> Mapping[str, Any]:
    with np.load(machine.checkpoints(run_id)[-1]) as arrays:
        return {name: arrays[name] for name in arrays.files}


def machine_of(store: Store, uri: str, proxied: str, folder: Path) -> Store:
    """Returns a machine with runs of its own, whose verbs use a server by way of a proxy."""
    machine = copy.copy(store)
    machine.folder, machine.runs, machine.uri = folder, folder / "runs", uri
    machine.environment = store.environment | {"MLFLOW_TRACKING_URI": proxied}
    return machine


@pytest.fixture(scope="session")
def tracking_server(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A tracking server of this session."""
    server = Server(tmp_path_factory.mktemp("server"))
    copy_database(database, server.folder)
    server.start()
    server.wait()
    yield server
    server.kill()


@pytest.fixture
def tracking_proxy(tracking_server: Server) -> Iterator[Proxy]:
    """A proxy before it."""
    proxy = Proxy(tracking_server.uri)
    yield proxy
    proxy.close()


@pytest.fixture
def behind(store: Store, tracking_server: Server, tracking_proxy: Proxy, tmp_path: Path) -> Store:
    """A machine behind the proxy."""
    return machine_of(store, tracking_server.uri, tracking_proxy.url, tmp_path)

"""A tracking server of the tests behind a proxy, and the verbs of machines that use it."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxy import Proxy
from tests.tracking.server import Server
from tests.verbs import Store, copy_database


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
    """The store behind the proxy, as a machine with runs of its own sees it."""
    machine = copy.copy(store)
    machine.folder, machine.runs = tmp_path, tmp_path / "runs"
    machine.uri = tracking_server.uri
    machine.environment = store.environment | {"MLFLOW_TRACKING_URI": tracking_proxy.url}
    return machine

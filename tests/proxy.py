"""A proxy before a real server, of a bucket or of MLflow, that makes the faults it is told to."""

import http.client
import random
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

HOP = ("connection", "accept-encoding")
OWN = ("content-length", "transfer-encoding", "connection", "date", "server")
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: a close resets the connection


class Request(NamedTuple):
    """What a client asks for; `ask` passes it on to the server, and returns its answer."""

    method: str
    path: str
    ask: Callable[[], "Answer"]


class Answer(NamedTuple):
    """What the client gets; the connection ends in the middle of a body that is cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False


Fault = Callable[[Request], Answer | None]
"""Takes a request and returns what is answered; None resets the connection."""


class Proxy:
    """Passes requests on to a server, but for the faults that it is told to make.

    Attributes:
        url: where it listens.
        requests: the method and path of each request so far.
        faults: one for each download that comes.
        fault: chooses the fault of any other request, or None.
    """

    def __init__(self, server: str):
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.fault: Callable[[Request], Fault | None] = lambda request: None
        self.fell = threading.Event()
        self._server = server.removeprefix("http://")
        self._port, self._ended = 0, threading.Event()
        self.listen()
        self._port = self._http.server_port
        self.url = f"http://127.0.0.1:{self._port}"

    def listen(self) -> None:
        """Takes connections, again after `refuse`."""
        self._http = _Listener(("127.0.0.1", self._port), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def refuse(self) -> None:
        """Refuses connections from now on."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def close(self) -> None:
        self._ended.set()
        self.refuse()

    def downloads(self) -> list[str]:
        """Returns the paths of the downloads from buckets that were asked for."""
        return [path for method, path in self.requests if _is_download(method, path)]

    def next_downloads(self, *faults: Fault) -> None:
        """Makes these faults, one for each download from a bucket that comes."""
        self.faults += faults

    def always(self, fault: Fault) -> None:
        """Makes a fault of each request from now on."""
        self.fault = lambda request: fault

    def once_asked(self, words: str, fault: Fault) -> None:
        """Makes a fault of the first request with these words, as `PATCH /api`, and of all after.

        `fell` tells whether it came.
        """
        self.fell = threading.Event()

        def choose(request: Request) -> Fault | None:
            if not re.match(words, f"{request.method} {request.path}"):
                return None
            self.always(fault)
            self.fell.set()
            return fault

        self.fault = choose

    def sometimes(self, share: float, *faults: Fault, seed: int) -> None:
        """Makes one of these faults of a share of all requests from now on."""
        rng = random.Random(seed)
        self.fault = lambda asked: rng.choice(faults) if rng.random() < share else None

    def heal(self) -> None:
        """Makes no faults from now on."""
        self.fault = lambda request: None

    def hang(self, request: Request) -> Answer | None:
        """A fault: no answer for as long as the proxy lives."""
        self._ended.wait()
        return None

    def late(self, seconds: float) -> Fault:
        """A fault: the right answer, but late."""

        def fault(request: Request) -> Answer:
            self._ended.wait(seconds)
            return request.ask()

        return fault

    def answer(self, request: Request) -> Answer | None:
        self.requests.append((request.method, request.path))
        if self.faults and _is_download(request.method, request.path):
            return self.faults.pop(0)(request)
        fault = self.fault(request)
        return fault(request) if fault else request.ask()

    def ask(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._server)
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in HOP}
        connection.request(handler.command, handler.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return Answer(answer.status, dict(answer.getheaders()), content)


def failing(status: int, body: bytes = b"{}", **headers: str) -> Fault:
    """Answers with a status in place of the server; headers have _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: Answer(status, named, body)


def flipped(request: Request) -> Answer:
    answer = request.ask()
    middle = len(answer.body) // 2
    wrong = bytes([answer.body[middle] ^ 1])
    return answer._replace(body=answer.body[:middle] + wrong + answer.body[middle + 1 :])


def cut(request: Request) -> Answer:
    return request.ask()._replace(cut=True)


def reset(request: Request) -> None:
    """Ends the connection; the server never sees the request."""


def lost(request: Request) -> None:
    """Ends the connection after the server has done what it was asked."""
    request.ask()


def after(work: Callable[[], Any], then: Fault) -> Fault:
    """Does something on the server once it has answered, and then makes a fault of that answer."""

    def fault(request: Request) -> Answer | None:
        answer = request.ask()
        work()
        return then(request._replace(ask=lambda: answer))

    return fault


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a request may hang for ever
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        return  # the client has gone


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, lambda: proxy.ask(self, body))
            _send(self, proxy.answer(request))

        def log_message(self, *words: Any) -> None:
            return

    return Handler


def _send(handler: BaseHTTPRequestHandler, answer: Answer | None) -> None:
    if answer is None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        handler.close_connection = True
        return
    handler.send_response(answer.status)
    for name, value in answer.headers.items():
        if name.lower() not in OWN:
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(answer.body)))
    handler.send_header("Connection", "close")  # so that `refuse` leaves no connection
    handler.end_headers()
    if answer.cut:
        handler.wfile.write(answer.body[: len(answer.body) // 2])
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
    elif handler.command != "HEAD":
        handler.wfile.write(answer.body)


def _is_download(method: str, path: str) -> bool:
    return method == "GET" and "alt=media" in path

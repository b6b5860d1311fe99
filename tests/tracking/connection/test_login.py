import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest

from yt8m_exp.tracking import store
from yt8m_exp.tracking.connection import login

LOGIN = "Basic " + base64.b64encode(b"me:p@ss/word").decode()
VARIABLES = ("MLFLOW_TRACKING_URI", login.USERNAME, login.PASSWORD)


@pytest.fixture
def environment(monkeypatch):
    """The variables of a login, as they were before after the test."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    before = mlflow.get_tracking_uri()
    yield monkeypatch
    mlflow.set_tracking_uri(before)


@pytest.fixture
def server():
    """A server that has no experiments, and lets one login in."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer()

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer()

        def _answer(self):
            known = self.headers.get("Authorization") == LOGIN
            body = json.dumps({"experiments": []} if known else {"error_code": "UNAUTHENTICATED"})
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *words):
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        yield made.server_port
        made.shutdown()
        thread.join()


def test_a_login_in_the_tracking_uri_is_used_and_shown_nowhere(server, environment):
    environment.setenv("MLFLOW_TRACKING_URI", f"http://me:p%40ss%2Fword@127.0.0.1:{server}")
    client = store.connect()
    assert client.tracking_uri == f"http://127.0.0.1:{server}" == store.tracking_uri()
    assert list(client.search_experiments()) == []


@pytest.mark.parametrize(
    "uri", ["sqlite:////tmp/x.db", "http://127.0.0.1:5000", "postgresql://u:p@host/x", "databricks"]
)
def test_other_uris_stay(uri, environment):
    assert login.moved(uri) == uri


def test_a_server_that_does_not_answer_is_named_without_the_login(store, monkeypatch):
    uri = "http://me:hunter2@127.0.0.1:9"
    monkeypatch.setitem(store.environment, "MLFLOW_TRACKING_URI", uri)
    outcome = store.run("history")
    assert outcome.status != 0
    assert "127.0.0.1:9" in outcome.err
    assert "hunter2" not in outcome.err + outcome.out

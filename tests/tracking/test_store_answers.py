"""What a start says of a tracking server that fails."""

import re
from uuid import uuid4

import pytest
from mlflow.exceptions import MlflowException

from tests.proxy import cut, failing, reset
from yt8m_exp.spec import OutsideError, UnansweredError
from yt8m_exp.tracking import patience, store

FAILING = {
    "500": (failing(500), "status 500"),
    "429": (failing(429, Retry_After="3600"), "status 429 .* after 3600 s"),
    "cut": (cut, "a broken connection"),
    "reset": (reset, "a broken connection|reset"),
}
WRONG = {
    "401": (failing(401), "does not accept the login"),
    "403": (failing(403), "does not let this user in"),
    "page": (failing(200, b"<html>", Content_Type="text/html"), "is no tracking server"),
    "404": (failing(404, b"<html>", Content_Type="text/html"), "is no tracking server"),
}


@pytest.fixture
def proxied(tracking_proxy, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_proxy.url)
    monkeypatch.setattr(patience, "START_SECONDS", 1.0)
    return tracking_proxy


@pytest.mark.parametrize(("fault", "words"), FAILING.values(), ids=FAILING)
def test_a_server_that_fails_is_asked_again_and_then_told(proxied, fault, words):
    proxied.always(fault)
    with pytest.raises(UnansweredError, match=words):
        store.connect()
    proxied.heal()
    assert store.connect()


def test_a_server_that_hangs_is_told(proxied):
    proxied.always(proxied.hang)
    with pytest.raises(UnansweredError, match="no answer"):
        store.connect()


def test_a_server_that_is_gone_is_told(proxied):
    proxied.refuse()
    with pytest.raises(UnansweredError, match="connection refused"):
        store.connect()
    proxied.listen()
    assert store.connect()


def test_a_server_that_fails_for_a_moment_is_asked_again(proxied, monkeypatch):
    monkeypatch.setattr(patience, "START_SECONDS", 60.0)
    faults = iter([failing(429, Retry_After="0"), reset])
    proxied.fault = lambda request: next(faults, None)
    assert store.connect()
    assert len(proxied.requests) == 3


@pytest.mark.parametrize(("fault", "words"), WRONG.values(), ids=WRONG)
def test_a_server_that_refuses_is_told_at_once(proxied, fault, words):
    proxied.always(fault)
    with pytest.raises(OutsideError, match=words):
        store.connect()
    assert len(proxied.requests) == 1


@pytest.mark.parametrize("status", [200, 503])
def test_a_server_that_cannot_check_the_login_for_an_upload_is_asked_again(proxied, status):
    client = store.connect()
    run_id = client.create_run(client.create_experiment(uuid4().hex)).info.run_id
    faults = iter([failing(401), failing(status), failing(401), failing(status)])
    about = re.compile("mlflow-artifacts|users/current")
    proxied.fault = lambda request: next(faults, None) if about.search(request.path) else None
    client.log_text(run_id, "text", "note.txt")
    assert next(faults, None) is None
    assert [file.path for file in client.list_artifacts(run_id)] == ["note.txt"]


def test_a_server_that_refuses_the_login_for_an_upload_is_told_at_once(proxied):
    client = store.connect()
    run_id = client.create_run(client.create_experiment(uuid4().hex)).info.run_id
    proxied.fault = lambda request: failing(401) if request.method == "PUT" else None
    with pytest.raises(MlflowException, match="does not accept the login"):
        client.log_text(run_id, "text", "note.txt")


def test_no_server_at_all_is_told(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://host/x")
    with pytest.raises(OutsideError, match="names no store that can be used"):
        store.connect()

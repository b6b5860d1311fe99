import io
import os

import pytest

from yt8m_exp.terminal.redaction import (
    RedactedStream,
    redact,
    redact_diff,
    redact_page,
    redacted,
)

SECRET = "hunter-2/x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://u:hunter2@host:5432/db", "postgresql+psycopg://u:***@host:5432/db"),
        ("postgresql://u:se/cr@et@host/db", "postgresql://u:***@host/db"),
        ("http://u:80pw@host:80/x", "http://u:***@host:80/x"),
        ("https://ghp_abc@github.com/x", "https://***@github.com/x"),
        ("https://b/x?X-Goog-Signature=ab1&y=1", "https://b/x?X-Goog-Signature=***&y=1"),
        ("https://b/x?sv=1&sig=ab%3D, https://c", "https://b/x?sv=1&sig=***, https://c"),
        ("storage.password=hunter2 epochs=3", "storage.password=*** epochs=3"),
        ("--api-token hunter2 x", "--api-token *** x"),
        ("{'db_password': 'a b', 'n': 3}", "{'db_password': '***', 'n': 3}"),
        ('{"CLIENT_SECRET": "ab"}', '{"CLIENT_SECRET": "***"}'),
        ("password: 12345678", "password: ***"),
    ],
)
def test_a_secret_becomes_stars(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://user@host/optuna",
        "tcp://host:8786 models:/yt8m@champion",
        "http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=by-gap",
        "http://127.0.0.1:5000/#/experiments/1",
        "sqlite:////home/me/mlflow.db",
        "gs://bucket/x@1.tfrecord?generation=3",
        "max_tokens=300, token: null, password=''",
        "Training: 15,360 of 15,220  loss 10.33",
    ],
)
def test_other_texts_stay(text):
    assert redact(text) == text


def test_the_value_of_a_variable_is_found_wherever_it_is(monkeypatch):
    monkeypatch.setenv("MY_PASSWORD", SECRET)
    monkeypatch.setenv("MY_TOKEN_FILE", "/run/token")
    assert redact(f"refused '{SECRET}' and hunter-2%2Fx of /run/token") == (
        "refused '***' and *** of /run/token"
    )


@pytest.mark.parametrize("part", ["-", "token", "?token", "passwd=a", "http://a@"])
def test_a_word_of_any_length_is_done_soon(part):
    """By a search that begins anew at each part, it would take many minutes."""
    assert redact(part * (300_000 // len(part)))


def test_plain_data_is_redacted_by_keys_and_in_texts():
    data = {"password": "a b", "passwords": ["x", 17], "max_tokens": 300, "token": None}
    data |= {"inner": {"uri": ("http://u:p@h", 3)}}
    hidden = {"password": "***", "passwords": ["***", "***"], "max_tokens": 300, "token": None}
    assert redacted(data) == hidden | {"inner": {"uri": ("http://u:***@h", 3)}}


def test_code_in_a_diff_stays_but_for_what_is_in_quotes():
    python = 'diff --git a/x.py b/x.py\n+token: str = f(tokens)\n+password: str = "{}"\n'
    other = "diff --git a/c.yaml b/c.yaml\n+password: {}\n"
    diff = python.format("hunter2") + other.format("hunter2")
    assert redact_diff(diff) == python.format("***") + other.format("***")


def test_the_scripts_of_a_page_stay():
    page = "<p>http://u:{}@h</p><script>a.token=b;</script>password: {}"
    assert redact_page(page.format("hunter2", "hunter2")) == page.format("***", "***")


def test_an_image_in_a_page_stays_as_it_is():
    page = '<img src="data:image/png;base64,iVBORkey/sIgn+AggToken=="> token=hunter2'
    assert redact_page(page) == page.replace("hunter2", "***")


def test_a_stream_writes_no_secrets():
    plain = io.StringIO()
    stream = RedactedStream(plain)
    print("http://u:hunter2@h", file=stream)
    stream.writelines(["password=x\n"])
    assert plain.getvalue() == "http://u:***@h\npassword=***\n"
    assert not stream.isatty()


@pytest.mark.parametrize("opened", [os.pipe, os.openpty])
def test_a_stream_that_nobody_reads_any_more_lets_the_work_go_on(opened):
    reading, writing = opened()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as pipe:
        stream = RedactedStream(pipe)
        stream.write("one line\n")
        stream.write("another")
        stream.flush()

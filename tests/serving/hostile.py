"""Requests to a served model that are wrong in all ways, some of them on purpose."""

import base64
import json
import pickle
import random
from collections.abc import Iterator
from typing import Any

from benchmarks.servers import records_request


def hostile(rng: random.Random, record: bytes, trap: str) -> Iterator[tuple[bytes, str]]:
    """Yields requests with their kinds that a client may send by mistake or on purpose.

    Args:
        rng: of the changes.
        record: a good one.
        trap: a file that is there once a request has been run as code.
    """
    evil = pickle.dumps(Opened(trap))
    good = json.dumps(records_request([record] * 2)).encode()
    yield b"", "application/json"
    yield b"[" * 100_000, "application/json"
    yield b'{"dataframe_split": ' * 2000, "application/json"
    yield b"x" * 30_000_000, "application/json"
    yield evil, "application/octet-stream"
    yield evil, "application/x-parquet"
    yield evil, "application/json"
    yield b"record\n" + base64.b64encode(evil), "text/csv"
    for request in (
        records_request([evil]),
        records_request([b""] * 3),
        records_request([record], top_k=2**62),
        records_request([record], top_k="many"),
        records_request([record], unknown=1),
        {"dataframe_split": {"columns": ["record"], "data": [[7]]}},
        {"dataframe_split": {"columns": [], "data": []}},
        {"inputs": {"mean_rgb": "x"}},
        {"inputs": {"rgb": [[[1e300]]], "audio": "AAAA"}},
        {"instances": [[[[]]]]},
    ):
        yield json.dumps(request).encode(), "application/json"
    for _ in range(100):
        body = changed(rng, good, len(good))
        yield body[: rng.randrange(len(body))] if rng.random() < 0.3 else body, "application/json"
    for _ in range(100):  # where the lengths and kinds of its parts are
        body = records_request([changed(rng, record, 2000)])
        yield json.dumps(body).encode(), "application/json"


def changed(rng: random.Random, text: bytes, most: int) -> bytes:
    """Returns a text with some of its first bytes changed."""
    body = bytearray(text)
    for _ in range(rng.randrange(1, 30)):
        body[rng.randrange(min(most, len(body)))] = rng.randrange(256)
    return bytes(body)


class Opened:
    """What a pickle would do if it were loaded."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")

import base64
import hashlib
import threading

import pytest

from tests.data.download.server import Fault, Server, md5
from yt8m_exp.data.download.client import Client, StoppedError, TransferError, UnreachableError
from yt8m_exp.data.download.partitions import File
from yt8m_exp.spec import UserError

CONTENT = hashlib.shake_128(b"a shard").digest(3_000_000)
DIGEST = md5(CONTENT)
PATH = "/2/video/train/trainaa.tfrecord"


@pytest.fixture
def client():
    return Client(connections=1, attempts=3, backoff_seconds=0)


@pytest.fixture
def part(tmp_path):
    return tmp_path / "part"


def serving(*faults, ranges=True):
    """A server whose first answers have faults."""
    given = dict(enumerate(faults))
    return Server("2/video/train", [CONTENT], lambda path, n: given.get(n), ranges=ranges)


def fetch(client, server, part, digest=DIGEST):
    reports = []
    client.fetch(File("train0000.tfrecord", server.url + PATH, digest), part, reports.append)
    return reports


def starts(server):
    return [request.start for request in server.requests]


def test_a_cut_transfer_goes_on_from_where_it_was_cut(client, part):
    with serving(Fault(cut=0.5), Fault(cut=0.5)) as server:
        reports = fetch(client, server, part)
    assert part.read_bytes() == CONTENT
    assert starts(server) == [None, 1_500_000, 2_250_000]
    assert reports == sorted(reports)
    assert reports[-1] == len(CONTENT)


def test_each_new_byte_counts_as_progress(client, part):
    with serving(*[Fault(cut=0.3)] * 12) as server:
        fetch(client, server, part)
    assert part.read_bytes() == CONTENT


def test_what_an_earlier_call_left_is_not_fetched_again(client, part):
    part.write_bytes(CONTENT[:1_000_001])
    with serving() as server:
        fetch(client, server, part)
        assert starts(server) == [1_000_001]
        fetch(client, server, part)
        assert starts(server) == [1_000_001]  # all was there
    assert part.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_the_whole(client, part):
    part.write_bytes(b"something else")
    with serving(Fault(cut=0.5), ranges=False) as server:
        fetch(client, server, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("before", [b"x" * 1000, CONTENT + b"x", b"x" * len(CONTENT)])
def test_a_part_of_something_else_is_fetched_anew(client, part, before):
    part.write_bytes(before)
    with serving() as server:
        fetch(client, server, part)
    assert part.read_bytes() == CONTENT


def test_a_wrong_byte_is_fetched_again(client, part):
    with serving(Fault(flip=True)) as server:
        reports = fetch(client, server, part)
    assert part.read_bytes() == CONTENT
    assert starts(server) == [None, None]
    assert 0 in reports  # the progress goes back


def test_a_file_that_is_always_wrong_is_given_up_and_leaves_nothing(client, part):
    with serving(*[Fault(flip=True)] * 9) as server:
        with pytest.raises(TransferError, match=r"MD5 should be .*, but is .* \(3 attempts\)"):
            fetch(client, server, part)
        assert len(server.requests) == 3
    assert not part.exists()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(client, part, status):
    with serving(Fault(status=status), Fault(status=status)) as server:
        fetch(client, server, part)
    assert part.read_bytes() == CONTENT


def test_a_server_says_when_to_come_back(part):
    client = Client(connections=1, attempts=3, backoff_seconds=1e6)
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    with serving(Fault(status=429, retry_after="0"), Fault(status=503, retry_after=date)) as server:
        fetch(client, server, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(client, part, status):
    with serving(Fault(status=status)) as server:
        with pytest.raises(TransferError, match=f"the server answers {status}"):
            fetch(client, server, part)
        assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_named(client, part):
    with serving() as server:
        pass
    with pytest.raises(UnreachableError, match=r"no connection to the server \(3 attempts\)"):
        fetch(client, server, part)


def test_a_stop_ends_a_wait(part):
    client = Client(connections=1, attempts=3, backoff_seconds=1e6)
    with serving(Fault(status=503)) as server:
        timer = threading.Timer(0.1, client.stop.set)
        timer.start()
        with pytest.raises(StoppedError):
            fetch(client, server, part)
        timer.join()


def test_a_file_without_a_plan_is_checked_against_what_cloud_storage_sends(client, part):
    with serving(Fault(flip=True)) as server:
        server.headers["x-goog-hash"] = (
            f"crc32c=AAAAAA==,md5={base64.b64encode(bytes.fromhex(DIGEST)).decode()}"
        )
        part.write_bytes(CONTENT[:10])
        fetch(client, server, part, digest=None)
    assert part.read_bytes() == CONTENT
    assert starts(server) == [None, None]


def test_sizes_are_asked_for_without_the_files(client):
    with serving() as server:
        assert client.size(server.url + PATH) == len(CONTENT)
        assert client.size(server.url + "/nothing") is None
        assert [request.method for request in server.requests] == ["HEAD", "HEAD"]


def test_a_small_file_that_cannot_be_read_is_fetched_again(client):
    with serving(Fault(flip=True), Fault(cut=0.5)) as server:
        assert client.read(server.url + PATH, require_content) == len(CONTENT)


def test_a_small_file_that_can_never_be_read_is_named(client):
    named = pytest.raises(TransferError, match=r"trainaa.tfrecord: not this \(3 attempts\)")
    with serving(*[Fault(flip=True)] * 9) as server, named:
        client.read(server.url + PATH, require_content)


def require_content(data):
    if data != CONTENT:
        raise UserError("not this.")
    return len(data)

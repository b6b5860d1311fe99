import pytest

from yt8m_exp.spec import InputError, UserError
from yt8m_exp.stores.cache import Cache
from yt8m_exp.stores.objects import Changed, Interrupted
from yt8m_exp.stores.uris import store_of

web = store_of("https://")


def test_a_file_is_found_and_read_from_anywhere(served, tmp_path):
    folder, url = served
    (folder / "a.tfrecord").write_bytes(bytes(range(256)) * 3000)
    (listed, missing) = web.list([f"{url}/a.tfrecord", f"{url}/b.tfrecord"])
    assert missing == []
    (found,) = listed
    assert (found.name, found.bytes, found.crc32c) == ("a.tfrecord", 768_000, None)
    read = bytearray()
    web.read(found, read.extend, start=300_000)
    assert read == (folder / "a.tfrecord").read_bytes()[300_000:]
    with Cache(str(tmp_path / "cache")).open(found) as file:
        assert file.read() == (folder / "a.tfrecord").read_bytes()


def test_a_change_is_told(served):
    folder, url = served
    (folder / "a.tfrecord").write_bytes(b"first")
    found = web.stat(f"{url}/a.tfrecord")
    (folder / "a.tfrecord").unlink()
    with pytest.raises(Changed, match="replaced or deleted"):
        web.read(found, bytearray().extend)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("https://host/a.tfrecord?sig=secret", "must have no password and no query"),
        ("https://me:secret@host/a.tfrecord", "must have no password and no query"),
        ("https://host/train*.tfrecord", "name each shard"),
        ("https://host/folder/", "name each shard"),
    ],
)
def test_a_url_is_a_plain_file(uri, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        web.list([uri])
    assert "secret" not in str(refused.value)


def test_a_server_that_is_not_there_is_told(tmp_path):
    with pytest.raises(Interrupted, match=r"transfer of http://127\.0\.0\.1:9/x failed"):
        web.stat("http://127.0.0.1:9/x")
    with pytest.raises(InputError, match="Nothing can be written"):
        web.write(tmp_path / "x", "http://127.0.0.1:9/x", replaces=None)
    assert issubclass(Interrupted, UserError)

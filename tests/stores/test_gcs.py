import google_crc32c
import pytest

from tests.proxy import after, cut
from yt8m_exp.spec import InputError
from yt8m_exp.stores.objects import Changed
from yt8m_exp.stores.uris import store_of

NAMES = (
    "2/frame/train/train0000.tfrecord",
    "2/frame/train/train0001.tfrecord",
    "2/frame/train/deep/train0002.tfrecord",
    "2/frame/train/notes.txt",
    "2/frame/training.tfrecord",
    "top.tfrecord",
)


@pytest.fixture
def filled(bucket):
    for name in NAMES:
        bucket.put(name, name.encode())
    return bucket


def listed(bucket, *patterns):
    found = store_of("gs://").list([f"{bucket.uri}/{pattern}" for pattern in patterns])
    return [[one.uri.removeprefix(f"{bucket.uri}/") for one in matched] for matched in found]


def test_patterns_find_what_they_would_find_on_a_disk(filled, tmp_path):
    local = store_of("")
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    patterns = [
        *("2/frame/train/train*.tfrecord", "2/frame/train", "2/frame/train/", "2/*/train/t*"),
        *("**/*.tfrecord", "2/**/train000[01].tfrecord", "top.tfrecord", "", "*", "2/frame/tr"),
        *("2/frame/train/train000?.tfrecord", "2/frame/train/[!t]*", "nothing*", "nothing"),
    ]
    on_disk = local.list([f"{tmp_path}/{pattern}" for pattern in patterns])
    names = [[one.uri.removeprefix(f"{tmp_path}/") for one in found] for found in on_disk]
    assert listed(filled, *patterns) == names
    assert [listed(filled, pattern) for pattern in patterns] == [[found] for found in names]


def test_many_names_of_a_folder_take_one_listing(filled, proxy):
    store_of("gs://").list([f"{filled.uri}/{name}" for name in NAMES[:2]])
    assert len([path for _, path in proxy.requests if "/o?" in path]) == 1
    assert listed(filled, *NAMES) == [[name] for name in NAMES]


def test_a_listing_tells_size_checksum_and_generation(filled, tmp_path):
    ((found,),) = store_of("gs://").list([f"{filled.uri}/top.tfrecord"])
    blob = filled.bucket.get_blob("top.tfrecord")
    assert (found.bytes, found.generation) == (len("top.tfrecord"), str(blob.generation))
    assert found.name == "top.tfrecord"
    assert found.crc32c == f"{google_crc32c.value(b'top.tfrecord'):08x}"
    assert store_of(found.uri).stat(found.uri) == found


def test_a_pattern_may_name_a_generation(filled):
    generation = filled.bucket.get_blob("top.tfrecord").generation
    uri = f"{filled.uri}/top.tfrecord"
    (of_it, of_none) = store_of(uri).list([f"{uri}#{generation}", f"{uri}#1"])
    assert [one.generation for one in of_it] == [str(generation)]
    assert of_none == []


def test_a_read_begins_anywhere_and_goes_on_after_a_cut(filled, proxy):
    data = bytes(range(256)) * 4000
    filled.put("long", data)
    store = store_of(filled.uri)
    found = store.stat(f"{filled.uri}/long")
    proxy.next_downloads(cut, cut)
    read = bytearray()
    store.read(found, read.extend, start=100)
    assert read == data[100:]
    assert len(proxy.downloads()) == 3


def test_a_replaced_or_deleted_object_is_told(filled, proxy):
    store = store_of(filled.uri)
    found = store.stat(f"{filled.uri}/top.tfrecord")
    filled.put("top.tfrecord", b"other")
    with pytest.raises(Changed, match=r"top\.tfrecord was replaced or deleted"):
        store.read(found, bytearray().extend)
    found = store.stat(f"{filled.uri}/top.tfrecord")
    proxy.next_downloads(after(lambda: filled.put("top.tfrecord", b"again"), cut))
    with pytest.raises(Changed):
        store.read(found, bytearray().extend)


def test_a_write_is_never_over_something_unseen(filled, tmp_path):
    store, uri = store_of(filled.uri), f"{filled.uri}/out"
    (tmp_path / "file").write_bytes(b"one")
    first = store.write(tmp_path / "file", uri, replaces=None)
    assert first == store.stat(uri)
    with pytest.raises(Changed):
        store.write(tmp_path / "file", uri, replaces=None)
    (tmp_path / "file").write_bytes(b"two")
    store.write(tmp_path / "file", uri, replaces=first)
    with pytest.raises(Changed):
        store.write(tmp_path / "file", uri, replaces=first)
    assert filled.get("out") == b"two"


def test_what_is_not_there_is_none(filled):
    assert store_of(filled.uri).stat(f"{filled.uri}/none") is None
    with pytest.raises(FileNotFoundError, match="no bucket"):
        store_of(filled.uri).list(["gs://no-such-bucket-here/x*"])
    with pytest.raises(InputError, match="name a bucket"):
        store_of("gs://").list(["gs://"])
    with pytest.raises(InputError, match="but got s3://"):
        store_of("s3://x")

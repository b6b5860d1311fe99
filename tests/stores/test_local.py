import pytest

from yt8m_exp.stores.objects import Changed
from yt8m_exp.stores.uris import store_of

disk = store_of("")


def test_a_write_is_never_over_something_unseen(tmp_path):
    source, target = tmp_path / "source", tmp_path / "folder" / "target"
    source.write_bytes(b"one")
    first = disk.write(source, str(target), replaces=None)
    assert first == disk.stat(str(target))
    with pytest.raises(Changed):
        disk.write(source, str(target), replaces=None)
    source.write_bytes(b"three")
    disk.write(source, str(target), replaces=first)
    with pytest.raises(Changed):
        disk.write(source, str(target), replaces=first)
    assert target.read_bytes() == b"three"
    assert list(target.parent.iterdir()) == [target]


def test_a_read_begins_anywhere_and_tells_of_a_change(tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(200)))
    found = disk.stat(str(tmp_path / "file"))
    read = bytearray()
    disk.read(found, read.extend, start=150)
    assert read == bytes(range(150, 200))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Changed, match="changed while it was in use"):
        disk.read(found, read.extend)

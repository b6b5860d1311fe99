import resource
import shutil
import signal

import pytest

from yt8m_exp.serving.whole_file import WholeFile
from yt8m_exp.spec import InputError, OutsideError
from yt8m_exp.stores.objects import Changed


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_file_of_a_bucket_appears_when_it_is_complete(bucket, temporary):
    for line in (b"1,2\n", b"3,4\n"):
        before = bucket.names()
        with WholeFile(f"{bucket.uri}/out/a.csv", ["a", "b"]) as file:
            file.write(line)
            assert bucket.names() == before
        assert bucket.get("out/a.csv") == b"a,b\n" + line
    assert list(temporary.iterdir()) == []


def test_a_failed_block_writes_nothing_to_a_bucket(bucket, temporary):
    with pytest.raises(ZeroDivisionError), WholeFile(f"{bucket.uri}/a.csv", ["a"]):
        raise ZeroDivisionError
    assert bucket.names() == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("before", [None, b"old"])
def test_what_somebody_else_wrote_since_stays(bucket, before):
    if before:
        bucket.put("a.csv", before)
    whole = WholeFile(f"{bucket.uri}/a.csv", ["a"])
    whole.__enter__()
    bucket.put("a.csv", b"theirs")
    with pytest.raises(Changed, match=r"a\.csv"):
        whole.__exit__(None, None, None)
    assert bucket.get("a.csv") == b"theirs"


def test_a_place_where_nothing_can_be_written_is_refused(bucket):
    with pytest.raises(FileNotFoundError, match="no bucket"):
        WholeFile("gs://no-such-bucket-here/a.csv", ["a"])
    with pytest.raises(InputError, match="is a folder"):
        WholeFile(f"{bucket.uri}/folder/", ["a"])
    with pytest.raises(InputError, match=r"as .gz only, but got 'a.csv.zip'"):
        WholeFile("a.csv.zip", ["a"])
    with pytest.raises(InputError, match="local path or to gs://"):
        WholeFile("https://host/a.csv", ["a"])


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_a_folder_that_is_removed_is_named(tmp_path, moment):
    folder = tmp_path / "folder"
    folder.mkdir()
    file = WholeFile(folder / "a.csv", ())
    if moment == "before":
        folder.rmdir()
    with pytest.raises(OutsideError, match=r"folder of .*/a.csv was removed meanwhile"), file:
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_file_for_which_the_disk_has_no_room_is_named(temporary, name):
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write fails, as on a disk
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with (
            pytest.raises(OutsideError, match=rf"{name} cannot be written \(File too large\)"),
            WholeFile(temporary / name, ["a"]) as file,
        ):
            file.write(bytes(range(256)) * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert list(temporary.iterdir()) == []

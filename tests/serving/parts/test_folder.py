"""Parts in a folder and in a bucket: whole or not there, and told by their names."""

import pytest

from yt8m_exp.serving.parts import folder
from yt8m_exp.spec import OutsideError

KEY = "0123456789abcdef"


@pytest.fixture(params=["local", "bucket"])
def place(request, tmp_path):
    if request.param == "local":
        return str(tmp_path / "parts")
    return f"{request.getfixturevalue('bucket').uri}/parts"


def write(place, data=b"some lines", stem="00017-test-0017"):
    return folder.write(place, stem, KEY, 12, data, ".csv")


def test_a_part_is_found_with_what_its_name_tells(place):
    with folder.held(place):
        written = write(place)
    (found,) = folder.found(place)
    assert found == written
    assert (found.stem, found.key, found.videos) == ("00017-test-0017", KEY, 12)
    assert found.read() == b"some lines"


def test_a_part_that_is_written_twice_is_there_once(place):
    with folder.held(place):
        assert write(place).name == write(place).name
    assert len(folder.found(place)) == 1


def test_a_damaged_part_is_removed_and_told(tmp_path):
    with folder.held(str(tmp_path)):
        part = write(str(tmp_path))
    (tmp_path / part.name).write_bytes(b"some linez")
    (found,) = folder.found(str(tmp_path))
    with pytest.raises(OutsideError, match="is damaged"):
        found.read()
    assert not folder.found(str(tmp_path))


def test_what_a_killed_process_left_is_cleared_and_never_taken_for_a_part(tmp_path):
    left = tmp_path / f".00001-a-{KEY}-1-{KEY}.csv.ab12.tmp"
    left.write_bytes(b"half")
    assert not folder.found(str(tmp_path))
    with folder.held(str(tmp_path)):
        assert not left.exists()


def test_a_folder_is_discarded_with_its_parts(place):
    with folder.held(place):
        write(place)
    folder.discard(place)
    assert not folder.found(place)


def test_a_folder_is_held_by_one_process(tmp_path):
    with (
        folder.held(str(tmp_path)),
        pytest.raises(OutsideError, match="Another process"),
        folder.held(str(tmp_path)),
    ):
        pass

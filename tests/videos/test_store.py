import os

import numpy as np
import pytest

from yt8m_exp.spec import InputError
from yt8m_exp.videos.listing import Source
from yt8m_exp.videos.store import Store

ROWS = {"rgb": np.arange(6, dtype=np.uint8).reshape(2, 3)}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"video")
    return Source("a/ü 1", tmp_path / "a.mp4")


def test_features_are_there_until_the_video_changes(tmp_path, source):
    store = Store(tmp_path / "features", {"max_frames": 300})
    assert not store.has(source)
    store.write(source, ROWS)
    again = Store(tmp_path / "features", {"max_frames": 300})
    assert again.has(source)
    assert {name: rows.tolist() for name, rows in again.read(source.id).items()} == {
        "rgb": [[0, 1, 2], [3, 4, 5]]
    }
    os.utime(source.path, (1, 1))
    assert not again.has(source)


def test_a_damaged_file_is_made_again(tmp_path, source):
    store = Store(tmp_path / "features", {})
    store.write(source, ROWS)
    (path,) = (tmp_path / "features").glob("*.npz")
    path.write_bytes(path.read_bytes()[:50])
    assert not store.has(source)


def test_features_of_other_networks_are_not_mixed(tmp_path):
    Store(tmp_path / "features", {"files": {"a": "1"}, "max_frames": 300})
    with pytest.raises(InputError, match="made with other files"):
        Store(tmp_path / "features", {"files": {"a": "2"}, "max_frames": 300})

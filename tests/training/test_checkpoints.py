import resource
import signal

import numpy as np
import pytest

from yt8m_exp.training import checkpoints

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.array(7, np.int64),
    np.array([1, 2**32 - 1], np.uint32),
    np.array([np.nan, -0.0, 1e-45], np.float32),
    np.zeros((0, 4), np.float32),
    *(np.array(float(place)) for place in range(20)),
]
STATE = {"examples": 5, "best_gap": float("-inf"), "name": "Été", "nested": {"a": [1, None]}}


def assert_same(found, expected=ARRAYS):
    assert [(a.dtype, a.shape, a.tobytes()) for a in found] == [
        (a.dtype, a.shape, a.tobytes()) for a in expected
    ]


@pytest.fixture
def small_files():
    """Lets no file grow beyond 64 KiB, as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


def test_a_checkpoint_gives_back_what_it_was_given(tmp_path):
    path = checkpoints.save(tmp_path / "new" / "folder", 5, ARRAYS, STATE)
    found, state = checkpoints.load(path)
    assert_same(found)
    assert state == STATE


def test_only_the_last_ones_are_kept_in_the_order_of_examples(tmp_path):
    for examples in (9, 10, 100, 1_000_000):
        checkpoints.save(tmp_path, examples, ARRAYS[:1], {})
    names = [path.name for path in checkpoints.find(tmp_path)]
    assert names == ["checkpoint-000000000100.npz", "checkpoint-000001000000.npz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_other_files_are_no_checkpoints(tmp_path):
    for name in ("best.keras", "checkpoint-000000000007.part", "checkpoint-7.npz"):
        (tmp_path / name).touch()
    assert checkpoints.find(tmp_path) == []
    assert checkpoints.find(tmp_path / "none") == []


def test_what_a_kill_left_behind_is_removed_before_a_run_goes_on(tmp_path):
    path = checkpoints.save(tmp_path, 5, ARRAYS[:1], {})
    for name in ("checkpoint-000000000007.part", "partial-best.keras", "best.keras"):
        (tmp_path / name).touch()
    checkpoints.remove_partial(tmp_path)
    checkpoints.remove_partial(tmp_path / "none")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["best.keras", path.name]


def test_saving_again_at_the_same_place_replaces_it(tmp_path):
    checkpoints.save(tmp_path, 5, ARRAYS[:1], {"turn": 1})
    path = checkpoints.save(tmp_path, 5, ARRAYS[1:2], {"turn": 2})
    assert checkpoints.find(tmp_path) == [path]
    assert checkpoints.load(path)[1] == {"turn": 2}


def test_a_cut_file_is_refused(tmp_path):
    path = checkpoints.save(tmp_path, 5, ARRAYS, STATE)
    data = path.read_bytes()
    for size in [0, 1, 4, 100, *range(200, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match=r"no whole checkpoint.*Remove it to go on"):
            checkpoints.load(path)


def test_a_flipped_bit_changes_no_value_unnoticed(tmp_path):
    path = checkpoints.save(tmp_path, 5, ARRAYS, STATE)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(len(data), size=300).tolist():
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            found, state = checkpoints.load(path)
        except ValueError:
            refused += 1
        else:
            assert_same(found)
            assert state == STATE
    assert refused > 100


def test_a_full_disk_leaves_the_older_ones_as_they_were(tmp_path, small_files):
    path = checkpoints.save(tmp_path, 5, ARRAYS, STATE)
    for _ in range(3):
        with pytest.raises(OSError, match=r"at 1,234 examples cannot be written.*Older"):
            checkpoints.save(tmp_path, 1234, [np.zeros(100_000)], STATE)
    assert list(tmp_path.iterdir()) == [path]
    assert_same(checkpoints.load(path)[0])

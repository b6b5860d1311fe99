import os

import pytest

from yt8m_exp.tuning.slots import slot_environments, visible_gpus


def test_each_gpu_has_a_slot():
    slots = slot_environments(None, [0, 2])
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots] == ["0", "2"]


def test_slots_beyond_the_gpus_share_them_in_turn_under_a_limit():
    slots = slot_environments(8, [0, 1, 2, 3], megabytes=1000)
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots] == [*"0123", *"0123"]
    with pytest.raises(
        ValueError, match=r"8 slots on 4 GPUs share them.*launcher=local launcher.megabytes="
    ):
        slot_environments(8, [0, 1, 2, 3])


def test_slots_without_a_gpu_divide_the_processors():
    cores = len(os.sched_getaffinity(0))
    for count in (1, 2, 5 * cores):
        slots = slot_environments(count, [])
        assert {slot["CUDA_VISIBLE_DEVICES"] for slot in slots} == {"-1"}
        threads = {int(slot["TF_NUM_INTRAOP_THREADS"]) for slot in slots}
        assert threads == {max(cores // count, 1)}


def test_the_environment_says_which_gpus_are_visible(monkeypatch):
    for named, seen in {"1,3": ["1", "3"], "": [], "-1": [], "GPU-ab": ["GPU-ab"]}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
        assert visible_gpus() == seen
        assert len(slot_environments(None, None)) == max(len(seen), 1)


def test_there_is_a_slot():
    with pytest.raises(ValueError, match="`slots >= 1` must hold, but got slots=0"):
        slot_environments(0, [])

import numpy as np
import pytest

from yt8m_exp.evaluation.sample import Sample

RNG = np.random.default_rng(0)


def batch(start, count, labels=2):
    ids = np.array([f"v{n:05}".encode() for n in range(start, start + count)], object)
    rows = np.arange(start, start + count, dtype=np.int32)[:, None]
    given = {"id": ids, "labels": np.tile(rows, (1, labels)), "frames": rows[:, 0]}
    scores = -np.sort(-RNG.random((count, 25), dtype=np.float32))
    return given, scores, np.tile(np.arange(25, dtype=np.int32), (count, 1))


def sampled(size, starts, count=100):
    sample = Sample(size)
    for start in starts:
        sample.add(*batch(start, count))
    return sample.result()


def test_all_videos_are_kept_where_there_is_room():
    found = sampled(1000, range(0, 500, 100))
    assert sorted(found.ids) == [f"v{n:05}".encode() for n in range(500)]
    assert found.class_ids.shape == found.scores.shape == (500, 20)
    assert found.videos == 500


def test_two_passes_keep_the_same_videos_in_whatever_order():
    starts = range(0, 5000, 100)
    one, other = sampled(150, starts), sampled(150, reversed(starts))
    assert one.ids.tolist() == other.ids.tolist()
    assert len(one.ids) == 150
    assert one.videos == 5000
    assert sampled(50, starts).ids.tolist() == one.ids[:50].tolist()


def test_each_video_keeps_its_own_values():
    found = sampled(150, range(0, 5000, 100))
    numbers = [int(name[1:]) for name in found.ids]
    assert found.frames.tolist() == numbers
    assert found.labels.tolist() == [[-1, number] for number in numbers]  # each label once


def test_lists_of_labels_of_any_length_are_joined():
    sample = Sample(1000)
    for start, labels in ((0, 1), (10, 3)):
        given, scores, class_ids = batch(start, 10)
        given["labels"] = np.tile(np.arange(labels, dtype=np.int32), (10, 1))
        sample.add(given, scores, class_ids)
    labels = sample.result().labels
    assert sorted((labels >= 0).sum(axis=1)) == [1] * 10 + [3] * 10


@pytest.mark.parametrize("known", [("id",), ()])
def test_nothing_else_than_ids_need_be_known(known):
    sample = Sample(10)
    if known:
        given, *predicted = batch(0, 5)
        sample.add({"id": given["id"]}, *predicted)
    found = sample.result()
    assert found.labels.size == 0
    assert found.frames is None
    assert len(found.ids) == 5 * len(known)

import numpy as np
import pytest

from yt8m_exp.spec import InputError
from yt8m_exp.training.recipes import teacher
from yt8m_exp.training.recipes.teacher import gathered, mean


def made(ids, class_ids, scores):
    batch = np.array(ids, object), np.array(scores, "f"), np.array(class_ids, np.int32)
    return gathered([batch])


@pytest.fixture
def predictions():
    return made([b"ccc", b"a"], [[3, 1], [0, 2]], [[0.5, 0.25], [1, 0]])


def test_predictions_are_found_by_id_whatever_their_order(predictions):
    batch = {"id": np.array([b"a", b"ccc", b"a"], object), "labels": np.array([[9], [9], [9]])}
    found = predictions.of(batch)
    assert found["soft_labels"].tolist() == [[0, 2], [3, 1], [0, 2]]
    assert found["soft_shares"].tolist() == [[1, 0], [0.5, 0.25], [1, 0]]
    assert found["soft_shares"].dtype == np.float32


def test_of_a_video_that_the_teacher_has_not_seen_its_labels_are_learnt(predictions):
    batch = {
        "id": np.array([b"aa", b"zzzzz"], object),
        "labels": np.array([[9, 8, 7], [4, -1, -1]]),
    }
    found = predictions.of(batch)
    assert found["soft_labels"].tolist() == [[9, 8], [4, -1]]
    assert found["soft_shares"].tolist() == [[1, 1], [1, 1]]


def test_they_are_kept_in_a_file(predictions, tmp_path):
    predictions.save(tmp_path / "kept.npz")
    for one, other in zip(teacher.load(tmp_path / "kept.npz"), predictions, strict=True):
        assert np.array_equal(one, other)
        assert one.dtype == other.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["kept.npz"]


def test_of_a_repeated_id_the_first_counts():
    found = made([b"b", b"a", b"b"], [[1], [2], [3]], [[0.5], [0.5], [0.5]])
    assert found.ids.tolist() == [b"a", b"b"]
    assert found.class_ids.tolist() == [[2], [1]]


def test_several_teachers_are_averaged_over_the_videos_that_all_know(predictions):
    other = made([b"a", b"b"], [[2, 0], [1, 2]], [[0.75, 0.5], [1, 1]])
    found = mean([predictions, other], classes=5)
    assert found.ids.tolist() == [b"a"]
    assert found.class_ids.tolist() == [[0, 2]]
    assert found.scores.tolist() == [[0.75, 0.375]]
    with pytest.raises(InputError, match="no video is known to all"):
        mean([predictions, made([b"z"], [[2, 0]], [[1, 1]])], classes=5)

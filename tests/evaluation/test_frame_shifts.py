import numpy as np

from yt8m_exp.evaluation.frame_shifts import moved, shifted

BATCH = {
    "rgb": np.array([[[1], [2], [3], [0]], [[5], [0], [0], [0]], [[0], [0], [0], [0]]], np.uint8),
    "frames": np.array([3, 1, 0], np.int32),
    "id": np.array([b"a", b"b", b"c"], object),
}


def test_a_moved_video_keeps_its_length_and_repeats_its_edge():
    for shift, expected in ((0, [1, 2, 3]), (1, [2, 3, 3]), (5, [3, 3, 3]), (-2, [1, 1, 1])):
        found = moved(BATCH, shift)
        assert found["rgb"][0, :3, 0].tolist() == expected
        assert found["rgb"][1, 0, 0] == 5
        assert found["frames"].tolist() == [3, 1, 0]
        assert found["id"] is BATCH["id"]


def test_predictions_of_all_shifts_are_averaged():
    def predict(batch):
        return batch["rgb"][:, :1, 0].astype(np.float32)

    assert shifted(predict, [0]) is predict
    assert shifted(predict, [0, 1])(BATCH).tolist() == [[1.5], [5], [0]]
    assert shifted(predict, [-1, 0, 1, 2])(BATCH).tolist() == [[(1 + 1 + 2 + 3) / 4], [5], [0]]

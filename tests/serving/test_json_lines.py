import json

import pytest

from yt8m_exp.serving import json_lines

LINE = {"video_id": "a,b", "class_indexes": [3, 1], "predictions": [0.2, 0.9]}


def read(tmp_path, *lines):
    path = tmp_path / "prediction.results-00000-of-00001"
    path.write_bytes(b"\n".join(lines))
    return list(json_lines.read(path))


def test_a_line_is_a_video_with_falling_scores(tmp_path):
    ((video, class_ids, scores),) = read(tmp_path, json.dumps(LINE).encode(), b"")
    assert (video, class_ids.tolist(), scores.tolist()) == ("a,b", [1, 3], [0.9, 0.2])


def test_a_video_without_predictions_is_one_too(tmp_path):
    line = LINE | {"class_indexes": [], "predictions": []}
    ((_, class_ids, _),) = read(tmp_path, json.dumps(line).encode())
    assert class_ids.size == 0


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        rb'{"video_id": "\ud800", "class_indexes": [], "predictions": []}',
        b"[]",
        b"null",
        b"[" * 100_000,
        json.dumps({"video_id": "a"}).encode(),
        json.dumps(LINE | {"video_id": 7}).encode(),
        json.dumps(LINE | {"predictions": [0.2]}).encode(),
        json.dumps(LINE | {"predictions": ["x", "y"]}).encode(),
        json.dumps(LINE | {"predictions": [[0.2], [0.9]]}).encode(),
        json.dumps(LINE | {"predictions": [float("nan"), 0.9]}).encode(),
        json.dumps(LINE | {"class_indexes": [1.5, 2]}).encode(),
        json.dumps(LINE | {"class_indexes": [-1, 2]}).encode(),
        json.dumps(LINE | {"class_indexes": [10**30, 2]}).encode(),
        json.dumps(LINE | {"class_indexes": 3}).encode(),
    ],
)
def test_another_line_is_named(tmp_path, bad):
    with pytest.raises(ValueError, match="00001, line 2: expected a JSON object with video_id"):
        read(tmp_path, json.dumps(LINE).encode(), bad)


def test_bytes_that_are_no_text_are_named(tmp_path):
    with pytest.raises(ValueError, match="00001, line 2: expected a text in UTF-8"):
        read(tmp_path, json.dumps(LINE).encode(), b"\xff\xfe")

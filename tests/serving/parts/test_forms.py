"""What parts hold: each form gives back what it was given, whole or without some videos."""

import numpy as np
import pytest

from yt8m_exp.serving.parts.forms import Csv, Found, Parquet, Segments

IDS = np.array([b"one", b'a "quoted", id', "größe".encode()], object)
CLASSES = np.array([[3, 1], [7, 0], [2, 9]], np.int32)
SCORES = np.array([[0.5, 0.25], [1, 0], [0.125, 0.0625]], np.float32)


@pytest.mark.parametrize("form", [Csv(), Csv("f"), Parquet()], ids=["g", "f", "parquet"])
def test_videos_are_given_back(form):
    data = form.encode(
        [Found(IDS[:2], CLASSES[:2], SCORES[:2]), Found(IDS[2:], CLASSES[2:], SCORES[2:])]
    )
    assert form.ids(data) == IDS.tolist()
    some = form.select(data, np.array([False, True, True]))
    assert form.ids(some) == IDS[1:].tolist()
    found = form.take(some, np.array([1]))
    assert found.ids.tolist() == IDS[2:].tolist()
    assert np.array_equal(found.class_ids, CLASSES[2:])
    assert np.allclose(found.scores, SCORES[2:], atol=1e-6)
    assert form.take(some, np.array([], int)).ids.tolist() == []


@pytest.mark.parametrize("form", [Csv(), Parquet(), Segments(np.array([1, 2]))], ids=str)
def test_a_shard_without_videos_has_a_part(form):
    assert form.ids(form.encode([])) == []


def test_segments_are_given_back_with_their_videos():
    form = Segments(np.array([3, 5]))
    names = np.array([b"a:0", b"a:5", b"c:0"], object)
    scores = np.array([[0.5, 0], [0.25, 0.75], [0, 1]], np.float32)
    videos = np.array([b"a", b"without segments", b"c"], object)
    data = form.encode([Found(videos, form.class_ids, scores, (names, np.array([0, 0, 2])))])
    assert form.ids(data) == videos.tolist()
    written = []

    class File:
        def write(self, *words):
            written.append(words)

    form.add(form.select(data, np.array([False, True, True])), File())
    ((kept, class_ids, found),) = written
    assert kept == [b"c:0"]
    assert class_ids.tolist() == [3, 5]
    assert found.tolist() == [[0, 1]]

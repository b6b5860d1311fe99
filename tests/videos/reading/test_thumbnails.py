import numpy as np

from tests.videos import made
from yt8m_exp.videos.reading import thumbnails


def test_pictures_are_small_and_of_the_seconds_asked_for(tmp_path):
    def large(number):
        return np.kron(made.numbered(number), np.ones((5, 5, 1), np.uint8))

    path = made.video(tmp_path / "a.mp4", made.times(100, 25), large)
    found = thumbnails.at(path, [3, 0])
    assert {second: made.number_of(picture) for second, picture in found.items()} == {0: 0, 3: 75}
    assert found[0].shape == (106, 160, 3)
    assert thumbnails.at(path, [9]) == {}

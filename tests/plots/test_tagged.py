import numpy as np

from yt8m_exp.plots import tagged
from yt8m_exp.plots.tagged import Tagged
from yt8m_exp.serving.moments import Label, Moment

PICTURE = np.zeros((9, 16, 3), np.uint8)


def test_labels_stand_with_their_moments_and_pictures():
    moments = [Moment(65, 0.75), Moment(0, 0.5)]
    label, unnamed = Label(3, "<Cat>", 0.875, moments), Label(9, "", 0.25, [])
    video = Tagged("a&b", 125, [label, unnamed], {65: PICTURE})
    page = tagged.render("models:/x/1", [video, Tagged("none", 3, [], {})])
    assert "a&amp;b <small>2:05</small>" in page
    assert "&lt;Cat&gt;" in page
    assert "class 9" in page
    assert "1:05 · 0.750" in page
    assert page.count("data:image/jpeg;base64,/9j/") == 1
    assert "No label is probable enough." in page

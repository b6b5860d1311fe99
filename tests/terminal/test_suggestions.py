import pytest

from yt8m_exp.terminal.suggestions import did_you_mean

KEYS = ["epochs", "model", "model.head.experts", "model.head.l2", "data.train", "tracking.runs"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("epoch", " Did you mean epochs?"),
        ("modle", " Did you mean model?"),
        ("data.trian", " Did you mean data.train?"),
        ("experts", " Did you mean model.head.experts?"),
        ("nothing_like_it", ""),
    ],
)
def test_the_closest_name_is_suggested_also_by_its_last_part(name, sentence):
    assert did_you_mean(name, KEYS) == sentence

import pytest

from yt8m_exp.tuning.expressions import Expression

VALUES = {
    "model": "moe",
    "model.head.experts": 4,
    "model.units": 96,
    "clip.norm": None,
    "a": 2,
    "b": 3,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("model=moe", True),
        ("model = logistic", False),
        ("model=[moe, logistic]", True),
        ("model.head.experts=4", True),
        ("clip.norm=null", True),
        ("model == 'moe'", True),
        ("model.units % model.head.experts == 0", True),
        ("a + b * 2 - a // 2", 7),
        ("-a + b / 2", -0.5),
        ("1 < a <= b", True),
        ("a > b or b != 3", False),
        ("a < b and b < 4", True),
        ("b in [1, 2]", False),
        ("model.units", 96),
        ("1e-5", 1e-5),
    ],
)
def test_an_expression_has_the_value_that_python_gives_it(text, value):
    assert Expression(text).value(VALUES.__getitem__) == value


def test_the_keys_of_an_expression_are_known():
    assert Expression("model.units % model.head.experts == 0 and a > 1").keys == {
        *("model.units", "model.head.experts", "a")
    }
    assert Expression("model=moe").keys == {"model"}


def test_and_stops_where_it_is_decided():
    assert Expression("model=='lstm' and missing.key > 0").value(VALUES.__getitem__) is False


@pytest.mark.parametrize("text", ["a(b)", "[x for x in a]", "lambda: a", "a if b else a", "a[0]"])
def test_other_python_is_refused(text):
    with pytest.raises(ValueError, match="must be made of configuration keys"):
        Expression(text)


@pytest.mark.parametrize("text", ["a +", "", "a b", "a==", "a=1 and b=2"])
def test_what_is_no_expression_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"is no expression .* Write one as `model.head=moe`"):
        Expression(text)


def test_values_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"`clip.norm > 1` cannot be computed with clip.norm=None"):
        Expression("clip.norm > 1").value(VALUES.__getitem__)

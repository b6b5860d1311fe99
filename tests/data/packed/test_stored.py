import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from yt8m_exp.data.packed.stored import bound, store
from yt8m_exp.spec import InputError

ANY = arrays(np.float32, (3, 5), elements=st.floats(-1e4, 1e4, width=32))


@pytest.mark.parametrize("precision", ["float32", "float16", "uint8"])
@given(values=ANY)
def test_what_is_stored_is_within_the_bound(precision, values):
    error = np.abs(store(values, precision).take(np.arange(3)) - values.astype(np.float64))
    assert (error <= bound(values, precision)).all()


@given(values=ANY)
def test_float32_keeps_every_bit(values):
    taken = store(values, "float32").take(np.arange(3))
    assert taken.tobytes() == values.tobytes()


def test_the_bounds_are_those_that_the_documentation_states():
    clipped = np.array([[-2.0, 2.0, 0.3]], np.float32)  # as wide as the release's get
    assert bound(clipped, "uint8").max() == pytest.approx(2 / 255, rel=1e-3)
    assert bound(clipped, "float16").max() == pytest.approx(0.001, rel=0.03)


def test_a_row_of_one_value_keeps_it():
    values = np.full((2, 4), 0.3, np.float32)
    assert (store(values, "uint8").take(np.arange(2)) == values).all()


def test_rows_are_taken_in_any_order_and_more_than_once():
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert store(values, "float32").take(np.array([3, 0, 3])).tolist() == values[[3, 0, 3]].tolist()


@pytest.mark.parametrize(("value", "precision"), [(7e4, "float16"), (3e38, "uint8")])
def test_a_number_that_is_too_large_is_refused(value, precision):
    values = np.array([[0.5, value, -value]], np.float32)
    with pytest.raises(InputError, match=rf"precision={precision}` cannot hold .* Set float32"):
        store(values, precision)

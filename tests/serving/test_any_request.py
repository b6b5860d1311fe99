"""Requests of strangers, whatever they hold: each becomes a batch, or is refused by its row."""

import base64

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.damage import damaged
from tests.data.examples import FRAME_SCHEMA, SCHEMA, frame_video, pixels, video
from yt8m_exp.serving import requests
from yt8m_exp.spec import InputError

LEVELS = {
    "video": (SCHEMA, {name: [0.5] * size for name, size in SCHEMA.features.items()}, video()),
    "frame": (
        FRAME_SCHEMA,
        {name: pixels(0, 3, size).tolist() for name, size in FRAME_SCHEMA.features.items()},
        frame_video(),
    ),
}
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=12),
    st.binary(max_size=12).map(lambda raw: base64.b64encode(raw).decode()),
)
ANY = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        *(st.lists(inner, min_size=size, max_size=size) for size in (0, 2, 3, 4, 6)),
        st.dictionaries(st.text(max_size=2), inner, max_size=2),
    ),
    max_leaves=20,
)


def refusal(rows, schema):
    """What is said of a request that cannot be answered, None where it becomes a sound batch."""
    if requests.is_empty(rows, schema):
        return None
    try:
        names, batch = requests.batch(rows, schema)
    except InputError as error:
        return str(error)
    assert len(names) == len(rows)
    for name, size in schema.features.items():
        assert len(batch[name]) == len(rows)
        assert batch[name].shape[-1] == size
        assert np.isfinite(batch[name]).all()
    return None


@pytest.mark.parametrize("level", LEVELS)
@given(data=st.data())
def test_any_value_of_a_feature_is_taken_or_refused(level, data):
    schema, good, _ = LEVELS[level]
    row = good | data.draw(st.dictionaries(st.sampled_from([*good, "id", "other"]), ANY))
    assert (refusal(pd.DataFrame([good, row]), schema) or "Row 1").startswith("Row 1")


@pytest.mark.parametrize("level", LEVELS)
@given(data=st.data())
def test_any_record_is_taken_or_refused(level, data):
    schema, _, record = LEVELS[level]
    given = data.draw(st.one_of(damaged(record), ANY))
    rows = pd.DataFrame({"record": [record, given]})
    assert (refusal(rows, schema) or "Row 1").startswith("Row 1")

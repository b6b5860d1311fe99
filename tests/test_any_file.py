"""Files of users, whatever they hold: each is read, or refused with its name."""

import gzip
import re
from collections import deque
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m_exp.data import vocabulary
from yt8m_exp.evaluation import files
from yt8m_exp.serving import json_lines, predictions, segment_files
from yt8m_exp.spec import InputError

pytestmark = pytest.mark.slow
READERS = {
    "vocabulary": (partial(vocabulary.read, classes=2), "index,name\n0,a\n1,b\n"),
    "predictions": (predictions.read_predictions, "VideoId,LabelConfidencePairs\na,1 0.5 2 0.4\n"),
    "labels": (files.read_labels, "id,labels\na,1 2\n"),
    "segments": (segment_files.read_segments, "Class,Segments\n1,a:0 a:5\n"),
    "ratings": (segment_files.read_ratings, "a:0,1,1\n"),
    "class_ids": (partial(segment_files.read_class_ids, classes=2), "Index\n0\n1\n"),
    "json_lines": (
        json_lines.read,
        '{"video_id": "a", "class_indexes": [1], "predictions": [0.5]}\n',
    ),
}
TOKENS = [
    *(",", " ", ":", "\n", "\r", "\r\n", '"', "'", ";", "\t", "{", "[", "]", "}", "\ufeff"),
    *("0", "1", "-1", "1.0", "0.5", "1e400", "nan", "inf", "1_0", "9" * 10, "9" * 20, "9" * 5000),
    *("²", "\u0661", "\x00", "é", "\u2028", "a", "null", "1" * 140_000, '"video_id"'),
]
tokens = st.one_of(st.sampled_from(TOKENS), st.text(max_size=4))
texts = st.one_of(tokens, st.lists(tokens, max_size=4).map("".join))
encodings = st.sampled_from([*["utf-8"] * 5, "utf-8-sig", "utf-16", "latin-1"])


@st.composite
def contents(draw, known):
    """Bytes near to a file that is known, one or two of whose fields are replaced by others."""
    fields = re.split(r"([^\w.]+)", known)
    for place in draw(st.lists(st.integers(0, len(fields) - 1), min_size=1, max_size=2)):
        fields[place] = draw(texts)
    data = "".join(fields).encode(draw(encodings), errors="replace")
    if draw(st.integers(0, 3)):
        return data
    data = draw(st.sampled_from([data, gzip.compress(data)]))
    return data[: draw(st.integers(0, len(data)))]


def refused(read, path):
    """What a reader says of a file that it refuses, None where it reads it."""
    try:
        found = read(path)
        if not isinstance(found, vocabulary.Vocabulary | dict):
            deque(found, maxlen=0)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
def test_a_file_is_read_or_refused_with_its_name(tmp_path, kind, data):
    read, known = READERS[kind]
    path = tmp_path / "given"
    path.write_bytes(data.draw(contents(known)))
    refusal = refused(read, path)
    assert refusal is None or str(path) in refusal


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("name", ["nowhere", "."])
def test_what_is_no_file_is_refused_with_its_name(tmp_path, kind, name):
    path = tmp_path / name
    with pytest.raises(InputError, match=re.escape(str(path))):
        deque(READERS[kind][0](path), maxlen=0)

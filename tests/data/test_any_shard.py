"""Shards of strangers, whatever they hold: what is good in them is read, or they are refused."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.damage import damaged
from tests.data.examples import FRAME_SCHEMA, SCHEMA, floats, frame_video, integers, video
from yt8m_exp.data import shards
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.spec import InputError

RATED = {
    "segment_start_times": integers(0, 0, 5),
    "segment_end_times": integers(5, 5, 10),
    "segment_labels": integers(3, 4, 3),
    "segment_scores": floats([1, 0, 1]),
}
LEVELS = {
    "video": (SCHEMA, video()),
    "frame": (FRAME_SCHEMA, frame_video()),
    "segment": (Schema(FRAME_SCHEMA.features, 20, "segment"), frame_video(0, 12, **RATED)),
}


@st.composite
def contents(draw, known, path):
    """Bytes of a shard: damaged records in whole frames, damaged frames, or both, maybe packed."""
    where = draw(st.sampled_from(["records", "frames", "both"]))
    record = known if where == "frames" else draw(damaged(known))
    tfrecord.write(path, [known, record, known])
    data = path.read_bytes()
    data = data if where == "records" else draw(damaged(data))
    if draw(st.integers(0, 7)):
        return data
    packed = gzip.compress(data, 1)
    return draw(st.one_of(st.just(packed), damaged(packed)))


def require_sound(manifest, schema):
    """Reads a shard to its end; all that it gives must be what a model takes."""
    count = 0
    for batch in ordered_batches(manifest, 2):
        count += len(batch["id"])
        assert ((batch["labels"] >= -1) & (batch["labels"] < schema.classes)).all()
        for name, size in schema.features.items():
            assert batch[name].shape[-1] == size
            assert np.isfinite(batch[name]).all()
        for name in batch["id"]:
            name.decode()
    assert count == manifest.records


def refusal(path, schema, on_bad_record):
    """What is said of a shard that cannot be used, None where it is sound."""
    try:
        manifest = shards.scan(str(path), schema, on_bad_record=on_bad_record)
    except InputError as error:
        return str(error)
    require_sound(manifest, schema)
    return None


@pytest.mark.parametrize("level", LEVELS)
@given(data=st.data())
def test_a_shard_is_read_or_refused_with_its_name(tmp_path, level, data):
    schema, known = LEVELS[level]
    path = tmp_path / "given.tfrecord"
    path.write_bytes(data.draw(contents(known, path)))
    for on_bad_record in ("stop", "skip"):
        said = refusal(path, schema, on_bad_record)
        assert said is None or str(path) in said

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from tests.damage import damaged
from yt8m_exp.tracking.outbox import journal

LINES = [{"time": 17, "step": 64, "metrics": {"val/gap": 0.5, "train/loss": math.nan}}] * 2
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(), inner)),
    max_leaves=3,
)
written = "".join(json.dumps(line) + "\n" for line in LINES).encode()


def require_points(path):
    """Reads a journal, whose points MLflow must take."""
    points = list(journal.read(path))
    for point in points:
        assert journal.is_name(point.key)
        assert not math.isinf(point.value)
        assert 0 <= point.time < 2**63
        assert 0 <= point.step < 2**63
    return points


@given(data=st.data())
def test_a_journal_of_any_bytes_gives_points_that_mlflow_takes(tmp_path, data):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(data.draw(damaged(written)))
    require_points(path)
    writer = journal.Journal(path)
    writer.append(18, 65, {"val/gap": 0.25})
    writer.close()
    assert require_points(path)[-1] == ("val/gap", 0.25, 18, 65)


@given(place=st.sampled_from(["time", "step", "metrics", "value", "all"]), value=VALUES)
def test_a_line_of_any_values_gives_points_that_mlflow_takes(tmp_path, place, value):
    line = {"value": LINES[0] | {"metrics": {"val/gap": value}}, "all": value}
    path = tmp_path / "metrics.jsonl"
    bad = json.dumps(line.get(place, LINES[0] | {place: value})).encode()
    path.write_bytes(bad + b"\n" + written)
    assert len(require_points(path)) >= 4


def test_a_line_that_nests_too_deep_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"[" * 100_000 + b"\n" + written)
    assert len(require_points(path)) == 4

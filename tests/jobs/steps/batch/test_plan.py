import pytest

from yt8m_exp.jobs.steps.batch.plan import Plan
from yt8m_exp.serving.parts import folder as parts
from yt8m_exp.spec import InputError


def plan(sample, folder, on_bad_record):
    return Plan(sample, str(folder), {"on_bad_record": on_bad_record, "top_k": 20}, "digest")


def written(plan):
    """Writes the part of the first shard."""
    place, stem, key, _ = plan.entries[0]
    parts.write(plan.folder, stem, key, 3, b"", ".csv")
    return place


def test_what_no_bad_record_stopped_is_kept_where_bad_records_are_left_out(sample, tmp_path):
    place = written(plan(sample, tmp_path, "stop"))
    lenient = plan(sample, tmp_path, "skip")
    assert list(lenient.found()) == [place]
    lenient.require_own()


def test_where_a_bad_record_stops_the_work_no_part_counts_that_may_lack_some(sample, tmp_path):
    place = written(plan(sample, tmp_path, "skip"))
    strict = plan(sample, tmp_path, "stop")
    assert not strict.found()
    with pytest.raises(InputError, match="holds the predictions of other shards"):
        strict.require_own()
    assert list(plan(sample, tmp_path, "skip").found()) == [place]

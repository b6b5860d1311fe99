from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from yt8m_exp.jobs.steps.batch.plan import Plan
from yt8m_exp.jobs.steps.batch.predict import ByShard
from yt8m_exp.jobs.steps.batch.workers import Workers
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


def test_who_stops_the_work_is_told_how_far_it_is(sample, tmp_path, monkeypatch):
    def stop(self):
        raise KeyboardInterrupt

    strict = plan(sample, tmp_path, "stop")
    written(strict)
    monkeypatch.setattr(Workers, "run", stop)
    monkeypatch.setattr(ByShard, "_task", lambda self, plan: None)
    work = ByShard(OmegaConf.create(), None, sample, None, None)
    with pytest.raises(KeyboardInterrupt, match=r"^Stopped by Ctrl-C. 1 of 6 shards are predicted"):
        work._make(strict, SimpleNamespace(slots=1))

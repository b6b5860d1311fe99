"""Inference by workers: the bytes of one process, whatever happens to them."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests import verbs
from tests.verbs import record, sample_records, shard
from yt8m_exp.config import compose
from yt8m_exp.jobs import inference
from yt8m_exp.serving.predictions import read_predictions

QUICK = ("tracking.system_metrics=false", "page=false")
SOURCE = "sample/video/train/validate0017.tfrecord"


@pytest.fixture(scope="module", autouse=True)
def here(store, trained):
    with verbs.here(store):
        yield


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Shards of many sizes, one of them empty, with videos that others have, too."""
    folder = tmp_path_factory.mktemp("shards")
    records = sample_records(SOURCE)
    cuts = [0, 1, 2, 40, 40, 90, 93, 150]
    for number, (start, end) in enumerate(zip(cuts, cuts[1:], strict=False)):
        shard(folder / f"test{number:04d}.tfrecord", *records[start:end], *records[3:4])
    shard(folder / "test9999.tfrecord", record("one"), record("two"), record("one"))
    return folder


def predict(output, shards, *words):
    """Runs `inference` in this process, whose fork server has loaded what workers need."""
    given = (f"shards={shards}", f"output={output}", "model_uri=models:/tagger/1", *QUICK, *words)
    given += (f"tracking.runs={Path(shards).parent / 'runs'}",)
    cfg = compose.compose("inference", given)
    return inference.run(compose.from_plain(compose.plain(cfg))).result


@pytest.fixture(scope="module")
def alone(shards, tmp_path_factory):
    """The file of one process."""
    output = tmp_path_factory.mktemp("alone") / "out.csv"
    found = predict(output, shards)
    return output, found


@pytest.mark.parametrize("slots", [1, 3])
def test_workers_write_the_bytes_of_one_process(shards, alone, tmp_path, slots):
    found = predict(tmp_path / "out.csv", shards, f"slots={slots}")
    assert (tmp_path / "out.csv").read_bytes() == alone[0].read_bytes()
    assert {k: found[k] for k in ("videos", "repeated")} == {
        k: alone[1][k] for k in ("videos", "repeated")
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]

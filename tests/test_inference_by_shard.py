"""Inference by workers: the bytes of one process, whatever happens to them."""

import json
import shutil
import signal
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests import verbs
from tests.killing import Killer
from tests.verbs import record, sample_records, shard
from yt8m_exp.config import compose
from yt8m_exp.jobs import inference
from yt8m_exp.serving.parts import folder as parts
from yt8m_exp.serving.predictions import read_predictions
from yt8m_exp.spec import InputError, OutsideError

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
    for number, (start, end) in enumerate(pairwise(cuts)):
        shard(folder / f"test{number:04d}.tfrecord", *records[start:end], *records[3:4])
    shard(folder / "test9999.tfrecord", record("one"), record("two"), record("one"))
    return folder


def predict(output, shards, *words):
    """Runs `inference` in this process, whose fork server has loaded what workers need."""
    runs = f"tracking.runs={Path(shards).parent / 'runs'}"
    given = (f"shards={shards}", f"output={output}", "model_uri=models:/tagger/1", *QUICK, runs)
    given += words
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


def inodes(folder):
    """The parts in a folder by their key, each with what tells whether it was made anew."""
    return {part.key: Path(part.object.uri).stat().st_ino for part in parts.found(str(folder))}


def test_workers_that_are_killed_change_no_byte(shards, alone, tmp_path):
    output = tmp_path / "out.csv"
    with Killer(f"{output}.parts", kills=3) as killer:
        predict(output, shards, "slots=2", "batch_size=16")
    predict(tmp_path / "undisturbed.csv", shards, "batch_size=16")
    assert killer.killed == 3
    assert output.read_bytes() == (tmp_path / "undisturbed.csv").read_bytes()


def test_the_same_command_goes_on_after_a_kill(store, shards, alone, tmp_path):
    output = tmp_path / "out.csv"
    words = (f"shards={shards}", f"output={output}", "model_uri=models:/tagger/1", *QUICK)
    running, _ = store.start_run("inference", *words, "slots=1")
    before = running.until(lambda: inodes(f"{output}.parts"))
    running.send(signal.SIGKILL)
    running.process.join()
    before |= inodes(f"{output}.parts")
    assert not output.exists()

    made = {}

    def remember(*_):
        made.update(inodes(f"{output}.parts"))

    with Killer(f"{output}.parts", kills=1, kill=remember):
        predict(output, shards, "slots=1")
    assert output.read_bytes() == alone[0].read_bytes()
    assert before.items() <= made.items()


def test_a_folder_keeps_a_file_for_each_shard_and_a_list_of_them(shards, alone, tmp_path):
    folder = tmp_path / "out"
    found = predict(f"{folder}/", shards)
    listed = json.loads((folder / "manifest.json").read_text())
    assert [one["name"] for one in listed["shards"]] == sorted(p.name for p in shards.iterdir())
    files = [folder / one["part"] for one in listed["shards"]]
    lines = [line for file in files for line in file.read_text().splitlines()[1:]]
    assert lines == alone[0].read_text().splitlines()[1:]
    assert listed["videos"] == found["videos"] == len(lines)
    assert listed["model"]["model.name"] == "tagger"

    before = inodes(folder)
    again = predict(f"{folder}/", shards)
    assert again["videos"] == found["videos"]
    assert inodes(folder) == before
    with pytest.raises(InputError, match="holds the predictions of other shards, another model"):
        predict(f"{folder}/", shards, "top_k=3")


def test_parquet_holds_the_same_with_types(shards, alone, tmp_path):
    predict(tmp_path / "one.parquet", shards)
    predict(tmp_path / "two.parquet", shards, "slots=2")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    table = pq.read_table(tmp_path / "two.parquet")
    assert [str(field.type) for field in table.schema][:1] == ["string"]
    expected = list(read_predictions(alone[0]))
    assert table["VideoId"].to_pylist() == [video for video, _, _ in expected]
    assert table["ClassIds"].to_pylist() == [class_ids.tolist() for _, class_ids, _ in expected]
    for mine, (_, _, scores) in zip(table["Scores"].to_pylist(), expected, strict=True):
        assert mine == pytest.approx(scores, rel=1e-5)


def test_a_corrupt_shard_is_named_and_the_rest_is_done(shards, alone, tmp_path):
    copied = tmp_path / "shards"
    shutil.copytree(shards, copied)
    bad = copied / "test0002.tfrecord"
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"{bad}, record 19: .*The predictions of all other") as e:
        predict(tmp_path / "out.csv", copied, "slots=2")
    assert "more shards" not in str(e.value)
    before = inodes(tmp_path / "out.csv.parts")
    assert len(before) == len(list(shards.iterdir())) - 1

    found = predict(tmp_path / "skipped.csv", copied, "slots=2", "on_bad_record=skip")
    assert 0 < found["videos"] < alone[1]["videos"]
    bad.write_bytes(whole)
    predict(tmp_path / "out.csv", copied, "slots=2")
    assert (tmp_path / "out.csv").read_bytes() == alone[0].read_bytes()


def test_one_process_at_a_time_writes_parts(shards, tmp_path):
    output = tmp_path / "out.csv"
    with (
        parts.held(f"{output}.parts"),
        pytest.raises(OutsideError, match="Another process predicts into"),
    ):
        predict(output, shards, "slots=1")


def test_workers_of_a_cluster_predict_what_lies_in_a_bucket(shards, alone, bucket, tmp_path):
    bucket.put_folder(shards, "shards/")
    words = ("launcher=dask", "slots=1", "launcher.resources={GPU: 1}")
    runs = f"tracking.runs={tmp_path}/runs"
    predict(f"{bucket.uri}/out.csv", f"{bucket.uri}/shards", *words, runs)
    assert bucket.get("out.csv") == alone[0].read_bytes()
    assert not [name for name in bucket.names() if ".parts/" in name]

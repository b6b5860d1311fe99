import json
from pathlib import Path

import pytest

from tests.verbs import PROJECT, SCORED, SHARD, record, shard
from yt8m_exp import spec
from yt8m_exp.data import loading, shards
from yt8m_exp.data.doctor.findings import KINDS
from yt8m_exp.data.tfrecords.records import Schema

QUIET = "tracking.system_metrics=false"
FEATURES = {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}


@pytest.fixture(scope="module")
def checked(store, tmp_path_factory):
    """A check of a shard against two, one of them the same."""
    output = tmp_path_factory.mktemp("labels") / "labels.csv"
    words = (f"shards={SHARD}", f"against=[{SCORED},{SHARD}]", f"output={output}", QUIET)
    return store.done("check", *words)


def test_the_last_line_has_every_kind_of_problem(checked):
    manifest = shards.scan(SHARD, Schema(FEATURES, spec.CLASSES))
    assert checked["videos"] == manifest.records
    assert checked["problems"] == dict.fromkeys(KINDS, 0) | {"leaked_id": manifest.records}


def test_the_file_of_labels_is_the_starter_codes(checked):
    lines = Path(checked["output"]).read_text().splitlines()
    found = loading.load(
        shards.scan(SHARD, Schema(FEATURES, spec.CLASSES)).shards, Schema(FEATURES, spec.CLASSES)
    )
    assert lines == [
        f"{video.decode()},{' '.join(map(str, found.labels[a:b]))}"
        for video, a, b in zip(found.ids, found.splits, found.splits[1:], strict=False)
    ]


def test_the_run_tells_the_data_and_the_problems(store, checked):
    run = store.get(checked["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["problems/leaked_id"] == checked["videos"]
    digests = {entry.tags[0].value: entry.dataset.digest for entry in run.inputs.dataset_inputs}
    assert digests["check"] == shards.scan(SHARD, Schema(FEATURES, spec.CLASSES)).digest
    assert digests.keys() == {"check", "against"}
    details = json.loads(store.text(checked["run_id"], "findings.json"))
    (leak,) = details["findings"]
    assert leak["shard"] == SHARD
    assert len(leak["records"]) == leak["count"] == checked["videos"]


def test_the_page_needs_no_other_file(store, checked):
    page = store.text(checked["run_id"], "report.html")
    assert "leaked ids" in page
    assert page.count("data:image/png;base64,") == 6
    assert "src=" in page
    assert "http" not in page


def test_a_bad_shard_is_a_finding_and_an_error_on_request(store, tmp_path):
    (tmp_path / "cut.tfrecord").write_bytes((PROJECT / SHARD).read_bytes()[:-1])
    shard(tmp_path / "good.tfrecord", record("a"))
    words = (f"shards={tmp_path}", f"tracking.runs={tmp_path}/runs", QUIET)
    outcome = store.run("check", *words)
    assert outcome.status == 0
    assert outcome.result["problems"]["cut"] == 1
    assert "cut.tfrecord" in outcome.err
    outcome = store.run("check", *words, "require=true")
    assert outcome.status == 1
    assert json.loads(outcome.out.splitlines()[-1])["problems"]["cut"] == 1


def test_what_is_not_there_is_named(store, tmp_path):
    outcome = store.run("check", f"shards={SHARD}", f"against={tmp_path}/none*")
    assert outcome.status == 2
    assert "Set against to where yours lie" in outcome.sentence


def test_a_cluster_finds_what_one_process_finds(store, checked, tmp_path):
    output = tmp_path / "labels.csv"
    words = (f"shards={SHARD}", f"against=[{SCORED},{SHARD}]", f"output={output}", QUIET)
    found = store.done("check", *words, "launcher=dask", "slots=1")
    assert found["problems"] == checked["problems"]
    assert output.read_bytes() == Path(checked["output"]).read_bytes()
    one, other = (store.text(ended["run_id"], "findings.json") for ended in (checked, found))
    assert one == other


@pytest.mark.parametrize("word", ["launcher=local", "slots=2"])
def test_of_launchers_only_a_cluster_checks(store, word):
    outcome = store.run("check", f"shards={SHARD}", QUIET, word)
    assert outcome.status == 2
    assert "`launcher` must be dask" in outcome.sentence

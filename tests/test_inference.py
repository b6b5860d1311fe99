import gzip
import signal
from pathlib import Path

import pytest

from tests.verbs import SCORED, record, shard
from yt8m_exp.serving.predictions import read_predictions

QUICK = "tracking.system_metrics=false"


@pytest.fixture(scope="module")
def predicted(store, trained, tmp_path_factory):
    output = tmp_path_factory.mktemp("predictions") / "out.csv"
    words = ("model_uri=models:/tagger/1", f"shards={SCORED}", f"output={output}", "top_k=5")
    return store.done("inference", *words)


def test_the_last_line_names_the_file_and_counts_its_videos(predicted):
    lines = list(read_predictions(predicted["output"]))
    assert len(lines) == predicted["videos"] == 251
    assert predicted["videos_per_second"] > 0
    assert all(len(scores) == 5 for _, _, scores in lines)


def test_the_run_is_labelled_with_the_model_and_its_data(store, trained, predicted):
    run = store.get(predicted["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.tags["verb"] == "inference"
    assert (run.data.tags["model.name"], run.data.tags["model.version"]) == ("tagger", "1")
    assert run.data.tags["model.run_id"] == trained["run_id"]
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.name == "yt8m-predict"
    assert run.data.metrics["videos"] == 251


def test_a_compressed_file_holds_the_same(store, predicted, tmp_path):
    output = tmp_path / "out.csv.gz"
    words = ("model_uri=models:/tagger/1", f"shards={SCORED}", f"output={output}", "top_k=5")
    store.done("inference", *words, "batch_size=100", QUICK)
    assert gzip.decompress(output.read_bytes()) == Path(predicted["output"]).read_bytes()


def test_shards_without_labels_are_predicted(store, trained, tmp_path):
    path = shard(tmp_path / "test.tfrecord", *(record(n, labels=None) for n in ("a", "b,b", "c")))
    output = tmp_path / "out.csv"
    words = (f"model_uri={trained['model_uri']}", f"shards={path}", f"output={output}")
    assert store.done("inference", *words, QUICK)["videos"] == 3
    assert [video for video, _, _ in read_predictions(output)] == ["a", "b,b", "c"]


@pytest.mark.parametrize("output", ["missing/out.csv", "file/out.csv", "."])
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_loaded(
    store, tmp_path, output
):
    (tmp_path / "file").write_text("")
    outcome = store.run("inference", "model_uri=models:/no/1", f"output={tmp_path / output}", QUICK)
    assert outcome.status == 2
    assert str(tmp_path) in outcome.sentence
    assert "No model" not in outcome.err


def test_an_interrupted_inference_leaves_no_file(store, trained, tmp_path):
    words = (f"model_uri={trained['model_uri']}", f"output={tmp_path}/out.csv", "batch_size=1")
    running, run_id = store.start_run("inference", *words, QUICK)
    running.until(lambda: list(tmp_path.iterdir()))
    running.send(signal.SIGTERM)
    assert running.wait().status == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())
    assert store.status(run_id) == "KILLED"


def test_a_bad_value_is_refused(store, trained, tmp_path):
    words = (f"model_uri={trained['model_uri']}", f"output={tmp_path}/out.csv")
    outcome = store.run("inference", *words, "top_k=0", QUICK)
    assert (outcome.status, outcome.out) == (2, "")
    assert "`top_k >= 1` must hold, but got top_k=0." in outcome.sentence
    outcome = store.run("inference", *words, "shards=nowhere/*.tfrecord", QUICK)
    assert outcome.status == 2
    assert "No shard matches 'nowhere/*.tfrecord'" in outcome.sentence
    assert not list(tmp_path.iterdir())

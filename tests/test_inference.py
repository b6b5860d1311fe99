import gzip
import signal
from pathlib import Path

import pytest

from tests.data.examples import text
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
    page = store.text(predicted["run_id"], "predictions.html")
    assert all(name in page for name in ("Guitar", "wBbo", "best in"))


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_inference_leaves_no_file(store, trained, tmp_path, number):
    words = (f"model_uri={trained['model_uri']}", f"output={tmp_path}/out.csv", "batch_size=1")
    running, run_id = store.start_run("inference", *words, QUICK)
    running.until(lambda: list(tmp_path.iterdir()))
    running.send(number)
    assert running.wait().status == 128 + number
    assert running.read("err").splitlines()[-1] == f"Stopped by {number.name}."
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


def test_an_id_that_is_not_utf8_is_bad_input_or_left_out(store, trained, tmp_path):
    records = [record("a"), record("b", id=text(b"\xff\xfe")), record("c")]
    path = shard(tmp_path / "odd.tfrecord", *records)
    words = (f"model_uri={trained['model_uri']}", f"shards={path}", f"output={tmp_path}/out.csv")
    outcome = store.run("inference", *words, QUICK)
    assert (outcome.status, outcome.out) == (2, "")
    assert f"{path}, record 1: expected an id in UTF-8, but got b'\\xff\\xfe'" in outcome.sentence
    assert "set on_bad_record=skip." in outcome.sentence
    assert store.done("inference", *words, "on_bad_record=skip", QUICK)["videos"] == 2
    assert [video for video, _, _ in read_predictions(tmp_path / "out.csv")] == ["a", "c"]


@pytest.mark.parametrize("bytes_before", [0, 1 << 20])
def test_a_video_is_written_once_however_often_its_id_occurs(
    store, trained, tmp_path, bytes_before
):
    one = shard(tmp_path / "one.tfrecord", *(record(name) for name in ("aa", "b", "aa")))
    two = shard(tmp_path / "two.tfrecord", record("ccc"), record("b"))
    (tmp_path / "link.tfrecord").symlink_to(one)
    words = (f"model_uri={trained['model_uri']}", f"shards={tmp_path}", "batch_size=2", QUICK)
    words += (f"data.check_bytes={bytes_before}",)
    outcome = store.run("inference", *words, f"output={tmp_path}/out.csv")
    assert (outcome.result["videos"], outcome.result["repeated"]) == (3, 2)
    assert [v for v, _, _ in read_predictions(tmp_path / "out.csv")] == ["aa", "b", "ccc"]
    assert "1 files are matched again and taken once" in outcome.err
    assert outcome.err.count("2 ids occur again: ") == 1
    assert f"'b' of {two} and " in outcome.err
    run = store.get(outcome.result["run_id"])
    assert run.data.metrics["data/predict_repeated_ids"] == 2


def test_classes_that_are_not_listed_have_a_score_of_zero(store, trained, predicted, tmp_path):
    (tmp_path / "ids.csv").write_text("Index,Name\n7,Concert\n3,Dance\n0,Game\n")
    words = (f"model_uri={trained['model_uri']}", f"shards={SCORED}", f"output={tmp_path}/out.csv")
    store.done("inference", *words, f"classes={tmp_path}/ids.csv", "top_k=5", QUICK)
    everything = {
        video: (ids, scores) for video, ids, scores in read_predictions(tmp_path / "out.csv")
    }
    for ids, scores in everything.values():
        assert {0, 3, 7} == set(ids[:3].tolist())
        assert (scores[:3] > 0).all()
        assert scores[3:].tolist() == [0, 0]
    for video, ids, scores in read_predictions(predicted["output"]):
        for class_id, score in zip(ids.tolist(), scores.tolist(), strict=True):
            if class_id in (0, 3, 7):
                mine, theirs = everything[video]
                assert theirs[mine.tolist().index(class_id)] == pytest.approx(score, rel=1e-5)


def test_scores_are_written_as_in_2017_on_request(store, trained, predicted, tmp_path):
    words = (f"model_uri={trained['model_uri']}", f"shards={SCORED}", f"output={tmp_path}/out.csv")
    store.done("inference", *words, "score_format=f", "top_k=5", QUICK)
    for mine, theirs in zip(
        (tmp_path / "out.csv").read_text().splitlines()[1:],
        Path(predicted["output"]).read_text().splitlines()[1:],
        strict=True,
    ):
        assert all(len(score) == 8 for score in mine.split(",")[1].split()[1::2])
        assert mine.split(" ")[::2] == theirs.split(" ")[::2]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("score_format=e", "`score_format` must be 'g' or 'f', but got score_format='e'."),
        ("segments_per_class=0", "`segments_per_class >= 1` must hold, but got"),
        ("classes={}/high.csv", "`classes` must list classes of the model, in [0, 3862), but"),
        ("classes={}/latin.csv", "latin.csv, line 2: expected a text in UTF-8"),
    ],
)
def test_what_cannot_be_predicted_is_refused(store, trained, tmp_path, word, sentence):
    (tmp_path / "high.csv").write_text("Index\n3862\n")
    (tmp_path / "latin.csv").write_bytes("Index,Name\n3,Été\n".encode("latin-1"))
    words = (f"model_uri={trained['model_uri']}", f"output={tmp_path}/out.csv", QUICK)
    outcome = store.run("inference", *words, word.format(tmp_path))
    assert (outcome.status, outcome.out) == (2, "")
    assert sentence in outcome.sentence
    assert not (tmp_path / "out.csv").exists()

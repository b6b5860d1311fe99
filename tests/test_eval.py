import json
import re
import shlex

import pytest
import yaml

from tests.data.examples import integers
from tests.verbs import PROJECT, SCORED, SHARD, SMALL, record, shard
from yt8m_exp.evaluation import metrics

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>')
METRICS = tuple(metric.key for metric in metrics.curves())
QUICK = "tracking.system_metrics=false"


def shown(page):
    """The data of a page of videos."""
    return json.loads(DATA.search(page)[1])


@pytest.fixture(scope="module")
def scored(store, trained):
    return store.done("eval", f"model_uri={trained['model_uri']}")


@pytest.mark.parametrize("by", ["id", "version", "alias", "run"])
def test_a_model_scores_as_its_training_said_by_whatever_uri(store, trained, scored, by):
    store.client.set_registered_model_alias("tagger", "champion", "1")
    result = {
        "id": lambda: scored,
        "version": lambda: store.done("eval", "model_uri=models:/tagger/1", QUICK),
        "alias": lambda: store.done("eval", "model_uri=models:/tagger@champion", QUICK),
        "run": lambda: store.done("eval", f"model_uri=runs:/{trained['run_id']}/best", QUICK),
    }[by]()
    assert [result[name] for name in METRICS] == pytest.approx(
        [trained[name] for name in METRICS], abs=1e-6
    )
    if by in ("version", "alias"):  # an alias moves, so the version it stood for is kept
        tags = store.get(result["run_id"]).data.tags
        assert (tags["model.name"], tags["model.version"]) == ("tagger", "1")
        assert tags["model.uri"] == "models:/tagger/1"


def test_the_last_line_counts_videos_and_classes(scored):
    assert scored["videos"] == 510
    assert 100 < scored["classes_with_positives"] < 3862


def test_an_evaluation_is_logged_with_its_model_and_data(store, trained, scored):
    run = store.get(scored["run_id"])
    model_id = trained["model_uri"].removeprefix("models:/")
    assert run.info.status == "FINISHED"
    assert run.data.tags["verb"] == "eval"
    assert run.data.tags["model.id"] == model_id
    assert run.data.tags["model.run_id"] == trained["run_id"]
    (step, gap), *_ = store.curve(scored["run_id"], "val/gap")
    assert step in (512, 1024, 1536)
    assert gap == scored["gap"]
    (data,) = run.inputs.dataset_inputs
    model = store.client.get_logged_model(model_id)
    assert ("val/gap", data.dataset.digest) in [(m.key, m.dataset_digest) for m in model.metrics]
    assert "figures/precision_recall.png" in store.files(scored["run_id"], "figures")


def test_the_page_of_an_evaluation_shows_each_video_and_what_the_model_got_wrong(store, scored):
    held = shown(store.text(scored["run_id"], "errors.html"))
    assert len(set(held["ids"])) == held["videos"] == 510
    assert held["classes"]["names"][9] == "Guitar"
    assert "Arts & Entertainment" in held["verticals"]
    assert len(held["classes"]["rows"]) == scored["classes_with_positives"]
    assert held["confusions"]


@pytest.fixture(scope="module")
def leaked(store, trained):
    """An evaluation on a shard that the model was trained on, and another."""
    shards = f"shards=[{SHARD},{SCORED}]"
    return store.run("eval", f"model_uri={trained['model_uri']}", shards, QUICK)


def test_shards_that_the_model_was_trained_on_are_warned_of(store, scored, leaked):
    assert "data/eval_shards_in_train" not in store.get(scored["run_id"]).data.metrics
    assert leaked.err.count("The model was trained on 1 of these 2 shards") == 1
    logged = store.get(leaked.result["run_id"]).data.metrics
    assert logged["data/eval_shards_in_train"] == 1


def test_a_comparison_tells_of_runs_that_were_measured_on_what_they_trained_on(
    store, scored, leaked, tmp_path
):
    run_ids = f"runs=[{scored['run_id']},{leaked.result['run_id']}]"
    outcome = store.run("compare", run_ids, f"output={tmp_path}/page.html")
    assert outcome.err.count("was trained on 1 of the shards that it was measured on") == 1
    assert (
        "Too high, because measured on what was trained on" in (tmp_path / "page.html").read_text()
    )


def test_the_page_is_left_out_on_request(store, trained):
    words = f"model_uri={trained['model_uri']}", f"shards={SCORED}", QUICK
    scored = store.done("eval", *words, "page=false")
    assert not {"errors.html", "videos.npz"} & store.files(scored["run_id"])


@pytest.fixture(scope="module")
def hinged(store):
    return store.done("train", *SMALL, "epochs=2", "loss=hinge", "loss.margin=0.5")


def test_the_loss_is_the_one_that_the_model_was_trained_with(store, hinged):
    uri = f"model_uri={hinged['model_uri']}"
    scored = store.done("eval", uri, f"shards={SCORED}", QUICK)
    assert scored["loss"] == pytest.approx(hinged["loss"], rel=1e-6)
    assert store.get(scored["run_id"]).data.tags["loss"] == "hinge(margin=0.5)"
    watched = store.done("eval", f"watch={hinged['run_id']}", f"shards={SCORED}", QUICK)
    assert watched["loss"] == pytest.approx(hinged["loss"], rel=1e-6)
    other = store.done("eval", uri, f"shards={SCORED}", "loss=cross_entropy", QUICK)
    assert other["gap"] == scored["gap"]
    assert other["loss"] < 0.1 * scored["loss"]
    assert store.get(other["run_id"]).data.tags["loss"] == "cross_entropy(epsilon=1e-05)"


def test_an_added_loss_is_one_function_and_its_parameters(store, monkeypatch):
    monkeypatch.setitem(store.environment, "YT8M_TARGETS", "tests.training")
    target = "loss._target_=tests.training.test_loss_values.smoothed"
    words = target, "+loss.smoothing=0.1"
    trained = store.done("train", *SMALL, "epochs=1", *words)
    scored = store.done("eval", f"model_uri={trained['model_uri']}", f"shards={SCORED}", QUICK)
    assert scored["loss"] == pytest.approx(trained["loss"], rel=1e-6)
    tag = store.get(scored["run_id"]).data.tags["loss"]
    assert tag == "smoothed(epsilon=1e-05, smoothing=0.1)"


def test_a_model_of_before_that_does_not_tell_its_loss_has_the_cross_entropy(store, hinged):
    (path,) = store.model(hinged["model_uri"]).rglob("about.json")
    before = path.read_text()
    path.write_text(json.dumps({k: v for k, v in json.loads(before).items() if k != "loss"}))
    words = f"model_uri={hinged['model_uri']}", f"shards={SCORED}", QUICK
    outcome = store.run("eval", *words)
    path.write_text(before)
    assert "does not say which loss it was trained with: it is cross entropy" in outcome.err
    assert outcome.result == pytest.approx(
        store.done("eval", *words, "loss=cross_entropy") | {"run_id": outcome.result["run_id"]}
    )


def test_a_run_is_watched_while_it_trains_and_until_it_ends(store):
    training, run_id = store.start_run(
        "train",
        *SMALL,
        "epochs=10",
        "batch_size=32",
        "evaluate_every=512",
        "checkpoint_seconds=0",
    )
    training.until(lambda: store.checkpoints(run_id))
    watching = store.start("eval", f"watch={run_id}", f"shards={SCORED}", "watch_seconds=0.1")
    trained, watched = training.wait(), watching.wait()
    assert trained.status == 0, trained.err
    assert watched.status == 0, watched.err
    curve = store.curve(watched.result["run_id"], "val/gap")
    assert curve[-1] == (trained.result["examples"], watched.result["gap"])
    theirs = dict(store.curve(run_id, "val/gap"))
    assert theirs[trained.result["examples"]] == pytest.approx(curve[-1][1], abs=1e-6)
    assert store.get(watched.result["run_id"]).data.tags["watched_run"] == run_id


def test_a_finished_run_is_watched_at_the_checkpoints_it_kept(store, trained):
    result = store.done("eval", f"watch={trained['run_id']}", QUICK)
    steps = [step for step, _ in store.curve(result["run_id"], "val/gap")]
    assert steps == [1024, 1536]
    theirs = dict(store.curve(trained["run_id"], "val/gap"))
    for step, gap in store.curve(result["run_id"], "val/gap"):
        assert gap == pytest.approx(theirs[step], abs=1e-6)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "No model at 'models:/yt8m@champion'"),
        (("model_uri=models:/nobody@champion",), "No model at 'models:/nobody@champion'"),
        (("model_uri=models:/tagger@nothing",), "No model at 'models:/tagger@nothing'"),
        (("model_uri=models:/tagger/99",), "No model at 'models:/tagger/99'"),
        (("model_uri=models:/m-nothing",), "No model at 'models:/m-nothing'"),
        (("model_uri=/nowhere",), "No model at '/nowhere'"),
        (("watch=nothing",), "has no run 'nothing'"),
    ],
)
def test_what_does_not_exist_is_refused_in_a_sentence(store, trained, words, sentence):
    outcome = store.run("eval", *words, QUICK)
    assert outcome.status == 2
    assert sentence in outcome.sentence
    assert "Traceback" not in outcome.err


def test_shards_without_labels_cannot_be_scored(store, trained, tmp_path):
    path = shard(tmp_path / "test.tfrecord", record("a", labels=None))
    outcome = store.run("eval", f"model_uri={trained['model_uri']}", f"shards={path}", QUICK)
    assert outcome.status == 2
    assert "can be predicted, but not trained or scored on" in outcome.sentence


def test_shards_of_which_no_record_has_a_label_are_refused_before_a_run_is_opened(
    store, trained, tmp_path
):
    path = shard(tmp_path / "bare.tfrecord", *(record(n, labels=integers()) for n in "ab"))
    before = store.run_ids()
    outcome = store.run("eval", f"model_uri={trained['model_uri']}", f"shards={path}", QUICK)
    assert outcome.status == 2
    assert "none of the 2 videos in" in outcome.sentence
    assert outcome.out == ""
    assert store.run_ids() == before


@pytest.fixture(scope="module")
def predicted(store, trained, tmp_path_factory):
    """The file of predictions of the trained model for a shard of the sample."""
    output = tmp_path_factory.mktemp("predicted") / "predictions.csv.gz"
    uri = f"model_uri={trained['model_uri']}"
    store.done("inference", uri, f"shards={SCORED}", f"output={output}", QUICK)
    return output


def test_a_file_of_predictions_scores_as_the_model_that_wrote_it(store, trained, predicted):
    words = f"shards={SCORED}", "top_n=[5,10]", QUICK
    of_model = store.done("eval", f"model_uri={trained['model_uri']}", *words)
    of_file = store.done("eval", f"predictions={predicted}", *words)
    names = ("gap", "hit_at_1", "perr", "map", "map_2017", "map_at_5", "map_at_10")
    for name in names:
        assert of_file[name] == pytest.approx(of_model[name], abs=1e-4)
    assert of_model["map_2017"] < of_model["map"]
    assert len({of_model[name] for name in names}) == len(names)
    assert (of_file["videos"], of_file["missing"], of_file["unknown"]) == (251, 0, 0)
    assert "loss" not in of_file
    run = store.get(of_file["run_id"])
    assert run.data.metrics["val/map_at_10"] == of_file["map_at_10"]
    assert len(run.inputs.dataset_inputs) == 1
    pages = [shown(store.text(e["run_id"], "errors.html")) for e in (of_model, of_file)]
    assert sorted(pages[0]["ids"]) == sorted(pages[1]["ids"])


def test_a_file_is_scored_against_labels_of_a_csv_and_what_does_not_match_is_counted(
    store, predicted, tmp_path
):
    (tmp_path / "labels.csv").write_text("id,labels\nnobody,3 4\nwBbo,66 332\n")
    words = f"predictions={predicted}", f"labels={tmp_path / 'labels.csv'}", QUICK
    outcome = store.run("eval", *words)
    assert outcome.status == 0, outcome.err
    assert (outcome.result["videos"], outcome.result["missing"]) == (2, 1)
    assert outcome.result["unknown"] == 250
    assert "not in the file, so nothing of them counts as predicted: 1 videos" in outcome.err


def test_fewer_predictions_of_a_video_can_count(store, trained):
    words = f"model_uri={trained['model_uri']}", f"shards={SCORED}", QUICK
    five, twenty = store.done("eval", *words, "top_k=5"), store.done("eval", *words)
    assert five["gap"] < twenty["gap"]
    assert five["perr"] == twenty["perr"]
    model = store.client.get_logged_model(trained["model_uri"].removeprefix("models:/"))
    of_model = [metric.value for metric in model.metrics if metric.key == "val/gap"]
    assert twenty["gap"] in of_model
    assert five["gap"] not in of_model  # GAP@5 is another number


@pytest.mark.parametrize("n", ["5", "20", "100000"])
def test_a_file_of_segments_scores_as_the_starter_code_says(store, n):
    folder = PROJECT / "tests" / "golden" / "csv"
    expected = json.loads((folder / "segment_eval.head.json").read_text())["map"][n]
    words = f"labels={folder / 'segment_labels.csv'}", f"segments_listed={n}", QUICK
    result = store.done("eval", f"segment_predictions={folder / 'segment_submission.csv'}", *words)
    assert result["segment_map"] == pytest.approx(expected["mAP"], abs=1e-12)
    assert result["classes_with_positives"] == expected["classes"]
    assert result["videos"] == 200
    curve = store.curve(result["run_id"], "val/segment_map")
    assert curve == [(0, result["segment_map"])]


def test_an_entry_point_scores_a_file_whatever_its_default_model(store):
    folder = PROJECT / "tests" / "golden" / "csv"
    files = ("--segment_predictions", f"{folder / 'segment_submission.csv'}")
    labels = ("--labels", f"{folder / 'segment_labels.csv'}")
    free = ("--overrides", f"{QUICK} tracking.runs={store.runs}")
    entries = yaml.safe_load((PROJECT / "MLproject").read_text())["entry_points"]
    words = shlex.split(entries["eval"]["command"])[3:]
    result = store.done("eval", *words, *files, *labels, *free)
    assert result["classes_rated"] == 128


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("predictions=nowhere.csv",), "nowhere.csv cannot be read: No such file or directory."),
        (("predictions=README.md",), "README.md: expected the header"),
        (("predictions=x", "model_uri=y"), "but got ['model_uri', 'predictions']"),
        (("predictions=x", "labels=y", "shards=z"), "Either shards or labels"),
        (("segment_predictions=x",), "shards or labels must be given with segment_predictions"),
        (("model_uri=x", "top_k=2.5"), "`top_k` must be an integer, but got top_k=2.5"),
        (("model_uri=x", "top_n=[5,0]"), "`top_n >= 1` must hold, but got top_n=[5, 0]"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_before_a_run_is_opened(store, words, sentence):
    before = store.run_ids()
    outcome = store.run("eval", *words, QUICK)
    assert outcome.status == 2
    assert sentence in outcome.sentence
    assert store.run_ids() == before


def test_a_run_without_configuration_cannot_be_watched(store, trained):
    run_id = store.client.create_run("0").info.run_id
    outcome = store.run("eval", f"watch={run_id}", f"shards={SHARD}", QUICK)
    assert outcome.status == 2
    assert "has no config.yaml" in outcome.sentence

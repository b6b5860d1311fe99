import pytest

from tests.verbs import SCORED, SHARD, SMALL, record, shard

METRICS = ("gap", "hit_at_1", "perr", "map", "loss")
QUICK = "tracking.system_metrics=false"


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


def test_a_run_is_watched_while_it_trains_and_until_it_ends(store):
    training, run_id = store.start_run(
        "train",
        *SMALL,
        "epochs=10",
        "batch_size=32",
        "evaluate_every=512",
        "checkpoint_seconds=0",
        "figures=false",
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
        ((), "model_uri must be given"),
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


def test_a_run_without_configuration_cannot_be_watched(store, trained):
    run_id = store.client.create_run("0").info.run_id
    outcome = store.run("eval", f"watch={run_id}", f"shards={SHARD}", QUICK)
    assert outcome.status == 2
    assert "has no config.yaml" in outcome.sentence

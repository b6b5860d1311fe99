import csv
import json

import mlflow
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from benchmarks.servers import records_request, serving
from tests.verbs import sample_records
from yt8m_exp.jobs.steps.ensembles import members
from yt8m_exp.serving import uris
from yt8m_exp.spec import InputError

QUICK = "tracking.system_metrics=false"
FRAMES = "sample/frame/validate/train0352.tfrecord"
KNOWN = "sample/video/train/validate0017.tfrecord"


@pytest.fixture(scope="module")
def made(store, trained, framed):
    """The last line of an ensemble of a video- and a frame-level model, and neighbours."""
    both = f"members=[{trained['run_id']},{framed['model_uri']}]"
    near = ("neighbours.share=0.1", f"neighbours.shards={KNOWN}")
    near += ("ridge.share=0.1", f"ridge.shards={KNOWN}")
    words = (f"shards={FRAMES}", "precision=float16", "register=both", QUICK)
    return store.done("ensemble", both, *near, *words)


@pytest.fixture(scope="module")
def model(store, made):
    return mlflow.pyfunc.load_model(str(store.model(made["model_uri"])))


@pytest.fixture(scope="module")
def answers(model):
    return model.predict(pd.DataFrame({"record": sample_records(FRAMES)}))


def test_members_of_both_levels_and_neighbours_are_one_model(store, trained, framed, made, model):
    assert made["weights"] == {
        trained["model_uri"]: 0.4,
        framed["model_uri"]: 0.4,
        "neighbours": 0.1,
        "ridge": 0.1,
    }
    own = model.unwrap_python_model()
    assert own.schema.features == {"rgb": 1024, "audio": 128}
    shards = {shard["name"] for shard in own.about["train"]["shards"]}
    assert "validate0017.tfrecord" in shards
    assert any(name.startswith("train") for name in shards)


def test_its_version_tells_size_latency_and_loss(store, made):
    version = store.client.get_model_version("both", "1")
    file = next(store.model(made["model_uri"]).rglob("*.keras"))
    assert int(version.tags["bytes"]) == file.stat().st_size == made["bytes"]
    assert int(version.tags["parameters"]) == made["parameters"]
    assert float(version.tags["latency_milliseconds"]) == made["latency_milliseconds"] > 0
    assert abs(float(version.tags["gap_loss"])) < 0.01
    assert version.tags["members"] == ", ".join(made["weights"])
    assert float(version.tags["val/gap"]) == made["gap"] == made["metrics"]["gap"]


def test_its_run_is_linked_with_its_members(store, trained, framed, made):
    run = store.get(made["run_id"])
    linked = {link.model_id for link in run.inputs.model_inputs}
    members = [trained["model_uri"], framed["model_uri"]]
    assert linked == {uri.removeprefix("models:/") for uri in members}
    assert [run.data.tags[f"member.{n}.uri"] for n in (1, 2)] == members


def test_a_predictions_file_holds_the_same(store, made, answers, tmp_path):
    words = (f"model_uri={made['model_uri']}", f"shards={FRAMES}", "page=false", QUICK)
    store.done("inference", *words, f"output={tmp_path}/p.csv")
    rows = list(csv.reader((tmp_path / "p.csv").read_text().splitlines()))[1:]
    for (_, pairs), ids, scores in zip(
        rows, answers["class_ids"], answers["probabilities"], strict=True
    ):
        words = pairs.split()
        assert list(map(int, words[::2])) == ids
        np.testing.assert_allclose(list(map(float, words[1::2])), scores, rtol=1e-5)


def test_an_export_answers_the_same(store, made, answers, tmp_path):
    words = (f"model_uri={made['model_uri']}", f"output={tmp_path}/1")
    store.done("export", *words)
    serve = tf.saved_model.load(f"{tmp_path}/1").signatures["serving_default"]
    given = serve(example_bytes=tf.constant(sample_records(FRAMES)))
    np.testing.assert_allclose(given["predictions"], answers["probabilities"].tolist(), rtol=1e-4)


@pytest.mark.slow  # starts `mlflow models serve`
def test_a_server_answers_the_same(store, made, answers, tmp_path):
    with serving("models:/both/1", store.uri, tmp_path) as server:
        status, answer = server.ask(records_request(sample_records(FRAMES)))
    assert status == 200, answer
    rows = answer["predictions"]
    assert [row["id"] for row in rows] == list(answers["id"])
    assert [row["class_ids"] for row in rows] == list(answers["class_ids"])
    scores = np.array([row["probabilities"] for row in rows])
    np.testing.assert_allclose(scores, answers["probabilities"].tolist(), rtol=0, atol=1e-6)


def test_it_is_promoted_with_the_gap_that_was_measured(store, made):
    words = ("name=both", "version=1", f"shards={FRAMES}", "policy.minimum_gap=0", QUICK)
    words += ("policy.latency_milliseconds=60000",)  # how fast it is, is another test's question
    judged = store.done("promote", *words)
    assert judged["promoted"], judged["reason"]
    assert judged["challenger_gap"] == pytest.approx(made["gap"], abs=1e-6)


def facts(*members):
    return {uri: uris.facts(uri) for uri in members}


@pytest.fixture
def described(client):
    """Makes logged models of which the store knows facts, and no file."""

    def make(**facts):
        params = {key.replace("_digest", ".digest"): str(value) for key, value in facts.items()}
        return f"models:/{client.create_logged_model('0', params=params).model_id}"

    return make


def test_members_that_disagree_are_refused_before_their_files_are_read(client, described):
    sizes = json.dumps({"mean_rgb": 1024})
    one = described(classes=3862, vocabulary_digest="a", features=sizes, bytes=6)
    others = {
        "as many classes, but classes is 3862": described(classes=4716),
        "the same classes in the same order": described(vocabulary_digest="b"),
        "rgb has 1024": described(features=json.dumps({"rgb": 512})),
    }
    assert members.require_alike(facts(one, described(bytes=7))) == 13
    for sentence, other in others.items():
        with pytest.raises(InputError, match=sentence):
            members.require_alike(facts(one, other))


@pytest.mark.parametrize(
    ("levels", "features"),
    [
        ("video", {"mean_rgb", "mean_audio"}),
        ("video frame", {"rgb", "audio"}),
    ],
)
def test_what_an_ensemble_reads_is_known_before_its_files_are_read(described, levels, features):
    names = {"video": {"mean_rgb": 1024, "mean_audio": 128}, "frame": {"rgb": 1024}}
    made = [
        described(classes=3862, level=level, features=json.dumps(names[level]))
        for level in levels.split()
    ]
    assert members.features(facts(*made)) == features
    assert members.features(facts(*made, described(classes=3862))) is None


def test_what_members_were_trained_on_is_told_where_it_is_measured_or_learnt_on(store, trained):
    one = f"members=[{trained['model_uri']}]"
    learnt = ("weights=learnt", f"weights_shards={KNOWN}", f"shards={KNOWN}", QUICK)
    outcome = store.run("ensemble", one, *learnt)
    assert outcome.status == 0, outcome.err
    said = " ".join(outcome.err.split())
    assert "trained on 1 of the 1 shards on which their weights were learnt" in said
    assert "The model was trained on 1 of these 1 shards, so all metrics are too high" in said
    logged = store.get(outcome.result["run_id"]).data.metrics
    assert logged["data/eval_shards_in_train"] == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("max_bytes=1000",), "max_bytes=1,000, and it has"),
        (("neighbours.share=0.1",), "neighbours.share > 0 and neighbours.shards"),
        ((f"ridge.shards={KNOWN}",), "ridge.share > 0 and ridge.shards"),
        (("weights=learnt",), "weights=learnt and weights_shards"),
        (("members=wide",), "No finished run of a sweep 'wide'"),
        ((f"members={'0' * 32}",), f"No run '{'0' * 32}'"),
        (
            (f"shards={FRAMES}",),
            "record 0: the ensemble takes mean_audio, mean_rgb, but the record",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(store, trained, words, sentence):
    outcome = store.run("ensemble", f"members={trained['model_uri']}", *words, QUICK)
    assert outcome.status == 2
    assert sentence in outcome.sentence


def test_it_teaches_a_student_in_one_command(store, made):
    taught = ("distillation.teacher=models:/both/1", "distillation.online=true")
    words = ("data=frame", "batch_size=14", "epochs=1", "augmentation.mixup=1", "figures=false")
    student = store.done("train", *taught, *words, "distillation.mix=1", QUICK)
    assert student["bytes"] < made["bytes"]
    outcome = store.run("train", *taught, "epochs=1", QUICK)
    assert outcome.status == 2
    assert "a teacher must take features of the data, but models:/both/1 takes" in outcome.sentence

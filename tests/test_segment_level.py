"""Training, evaluation and inference on rated segments."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
import tensorflow as tf
from hydra.utils import instantiate

from tests.checkpoints import write_checkpoint
from tests.made_segments import SAMPLE, frame_records, parsed, rated, write
from tests.verbs import here, shard
from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data import shards
from yt8m_exp.data.pipeline import Shuffle, ordered_batches, training_batches
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.evaluation import scoring, segments
from yt8m_exp.jobs import inference
from yt8m_exp.jobs.steps import recipe, sources
from yt8m_exp.serving.segment_files import SegmentsWriter, read_segments
from yt8m_exp.training import step
from yt8m_exp.training.losses import cross_entropy

QUICK = "tracking.system_metrics=false"
RATINGS = {
    "1DfQ": [(0, 3, True), (0, 7, True), (5, 3, False), (5, 7, False)],
    "4HfQ": [(100, 3, True), (20, 3, True), (20, 13, False)],
    "PlfQ": [(130, 7, True)],  # of 133 frames: three of them
}
BIASES = {3: 2.0, 7: 1.0, 13: -1.0}
"""Logits of a model that sees nothing, for the classes that are rated."""


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    """A shard of five rated segments of three classes, made up over real frames."""
    return write(tmp_path_factory.mktemp("rated") / "made_up.tfrecord", RATINGS)


def imported(store, folder, name, kernel):
    """Registers a model of the sound's mean alone, and returns its URI."""
    biases = np.full(kernel.shape[1], -6, np.float32)
    biases[list(BIASES)] = list(BIASES.values())
    weights = {"weights": kernel, "biases": biases}
    prefix = folder / "model.ckpt-0"
    write_checkpoint(prefix, {f"tower/fully_connected/{k}": v for k, v in weights.items()})
    words = (f"checkpoint={prefix}", "kind=frame_logistic", "options={normalize: none}")
    return store.done("import_checkpoint", *words, f"register={name}", QUICK)["model_uri"]


@pytest.fixture(scope="module")
def blind(store, tmp_path_factory):
    """A model that finds all segments alike."""
    kernel = np.zeros((spec.AUDIO, spec.CLASSES), np.float32)
    return imported(store, tmp_path_factory.mktemp("blind"), "blind", kernel)


@pytest.fixture(scope="module")
def hearing(store, tmp_path_factory):
    """A model for which class 7 is the louder the first number of a segment's sound."""
    kernel = np.zeros((spec.AUDIO, spec.CLASSES), np.float32)
    kernel[0, 7] = 1
    return imported(store, tmp_path_factory.mktemp("hearing"), "hearing", kernel)


@pytest.fixture(scope="module")
def scored(store, blind, ratings):
    return store.done("eval", f"model_uri={blind}", "segments=true", f"shards={ratings}", QUICK)


def test_lists_of_all_segments_are_scored_as_the_competition_does(store, scored):
    # All segments of a class tie, so its list is in the order of their names, those rated:
    # 3: 1DfQ:0 present, 1DfQ:5 absent, 4HfQ:100 present, 4HfQ:20 present: (1/1 + 2/3 + 3/4) / 3
    # 7: 1DfQ:0 present, 1DfQ:5 absent, PlfQ:130 present: (1/1 + 2/3) / 2
    # 13: 4HfQ:20 absent: no positive, hence no precision
    ap = {3: (1 + 2 / 3 + 3 / 4) / 3, 7: (1 + 2 / 3) / 2}
    assert scored["segment_map"] == pytest.approx(sum(ap.values()) / 2)
    assert scored["segment_map_over_all_classes"] == pytest.approx(sum(ap.values()) / 1000)
    assert store.curve(scored["run_id"], "val/segment_map") == [(0, scored["segment_map"])]


def test_metrics_pool_the_rated_pairs_alone(scored):
    # Best rated class of each segment: 3 is present in 1DfQ:0, 4HfQ:100 and 4HfQ:20 and absent in
    # 1DfQ:5; 7 is present in PlfQ:130. As many as are present are right, but nothing is in 1DfQ:5.
    assert scored["hit_at_1"] == pytest.approx(4 / 5)
    assert scored["perr"] == pytest.approx(4 / 5)
    # Class 3 ties four segments, one absent, in place 1, 2, 3 or 4 of the list.
    of_3 = (1 / 2 + 2 / 3 + 3 / 4) + (1 + 2 / 3 + 3 / 4) + (1 + 1 + 3 / 4) + (1 + 1 + 1)
    # Class 7 ties three, one absent, in place 1, 2 or 3.
    of_7 = (1 / 2 + 2 / 3) + (1 + 2 / 3) + (1 + 1)
    assert scored["map"] == pytest.approx((of_3 / 4 / 3 + of_7 / 3 / 2) / 2)
    # Pooled, those of class 7 follow on four with three hits, and 13 is last, without a hit.
    pooled = (4 / 6 + 5 / 7) + (4 / 5 + 5 / 7) + (4 / 5 + 5 / 6)
    assert scored["gap"] == pytest.approx((of_3 / 4 + pooled / 3) / 5)
    assert (scored["videos"], scored["classes_with_positives"]) == (5, 2)


def test_the_loss_is_that_of_the_rated_pairs(scored):
    yes, no = ({c: -math.log(sigmoid(s * b) + 1e-5) for c, b in BIASES.items()} for s in (1, -1))
    losses = [yes[3] + yes[7], no[3] + no[7], yes[3], yes[3] + no[13], yes[7]]
    assert scored["loss"] == pytest.approx(sum(losses) / 5, rel=1e-5)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def loaded(store, model_uri):
    return mlflow.pyfunc.load_model(str(store.model(model_uri))).unwrap_python_model()


def all_segments():
    """The names of all segments of the sample, and the mean of the first number of their sound."""
    means = {}
    for name, record in frame_records().items():
        rows = parsed(record).feature_lists.feature_list["audio"].feature
        first = [row.bytes_list.value[0][0] for row in rows]
        means |= {f"{name}:{s}": np.mean(first[s : s + 5]) for s in range(0, len(first), 5)}
    return means


@pytest.fixture(scope="module")
def listed(store, hearing, tmp_path_factory):
    output = tmp_path_factory.mktemp("segments") / "out.csv"
    words = (f"model_uri={hearing}", "segments=true", f"output={output}", QUICK)
    return store.done("inference", *words)


def test_a_file_of_segments_scores_as_the_model_that_wrote_it(store, hearing, ratings, listed):
    words = f"shards={ratings}", QUICK
    of_model = store.done("eval", f"model_uri={hearing}", "segments=true", *words)
    of_file = store.done("eval", f"segment_predictions={listed['output']}", *words)
    for name in ("segment_map", "segment_map_over_all_classes"):
        assert of_file[name] == of_model[name]
    assert "gap" not in of_file
    assert (of_file["classes_listed"], of_file["classes_rated"]) == (1000, 2)  # 13 is not listed


def test_each_class_lists_every_segment_of_every_video_once(listed):
    lists = dict(read_segments(listed["output"]))
    assert listed["videos"] == 7
    assert len(lists) == spec.SEGMENT_CLASSES
    names = sorted(all_segments(), key=str.encode)
    assert len(names) == sum(-(-frames // 5) for frames in (139, 133, 277, 206, 300, 198, 300))
    for class_id, segments_of_class in lists.items():
        if class_id == 7:
            assert sorted(segments_of_class, key=str.encode) == names
        else:  # all of them tie, and stand in the order of their names
            assert segments_of_class == names


def test_all_frames_of_a_segment_are_seen_and_no_other(listed):
    means = all_segments()
    found = [means[name] for name in dict(read_segments(listed["output"]))[7]]
    assert np.all(np.diff(found) < 1e-6)
    assert found[0] > found[-1]


def test_only_the_classes_asked_for_are_listed(store, hearing, listed, tmp_path):
    (tmp_path / "ids.csv").write_text("Index,Name\n7,Concert\n3,Dance\n")
    words = (f"model_uri={hearing}", "segments=true", f"output={tmp_path}/out.csv.gz", QUICK)
    store.done("inference", *words, f"segment_classes={tmp_path}/ids.csv", "batch_size=2")
    everything = dict(read_segments(listed["output"]))
    lists = dict(read_segments(tmp_path / "out.csv.gz"))
    assert lists == {3: everything[3], 7: everything[7]}


def test_a_list_is_cut_to_the_best(store, hearing, listed, tmp_path):
    tagger = loaded(store, hearing)
    class_ids = np.array([3, 7])
    score = scoring.scorer(tagger.model, class_ids)
    manifest = shards.scan(SAMPLE, tagger.schema)
    with SegmentsWriter(tmp_path / "out.csv", class_ids, most=10) as writer:
        for _, pieces in segments.cut_all(ordered_batches(manifest), batch_size=16):
            for piece in pieces:
                writer.write(piece["id"].tolist(), class_ids, score(piece))
    everything = dict(read_segments(listed["output"]))
    best = dict(read_segments(tmp_path / "out.csv"))
    assert best == {class_id: everything[class_id][:10] for class_id in (3, 7)}


def test_the_bound_of_a_list_is_the_users(store, hearing, listed, tmp_path):
    words = (f"model_uri={hearing}", "segments=true", f"output={tmp_path}/out.csv", QUICK)
    store.done("inference", *words, "segments_per_class=2")
    everything = dict(read_segments(listed["output"]))
    lists = dict(read_segments(tmp_path / "out.csv"))
    assert lists == {class_id: names[:2] for class_id, names in everything.items()}


@pytest.mark.parametrize("most", [2, 100_000])
def test_workers_list_the_same_segments(store, hearing, listed, tmp_path, most):
    words = ["segments=true", f"segments_per_class={most}", f"tracking.runs={tmp_path}/runs", QUICK]
    words += [f"model_uri={hearing}", "page=false"]
    outputs = [tmp_path / "one.csv", tmp_path / "two.csv"]
    with here(store):
        for output, more in zip(outputs, ([], ["slots=2"]), strict=True):
            cfg = compose.compose("inference", [*words, f"output={output}", *more])
            inference.run(compose.from_plain(compose.plain(cfg)))
    one, two = (output.read_bytes() for output in outputs)
    assert one == two
    if most > 2:
        assert one == Path(listed["output"]).read_bytes()


def test_a_video_whose_id_occurs_again_is_listed_once(store, hearing, tmp_path):
    first = tmp_path / "first.tfrecord"
    shutil.copyfile(shards.find(SAMPLE)[0].uri, first)
    (tmp_path / "again.tfrecord").write_bytes(first.read_bytes())
    words = (f"model_uri={hearing}", "segments=true", f"shards={tmp_path}", QUICK)
    store.done("inference", *words, f"output={tmp_path}/out.csv")
    for _, names in read_segments(tmp_path / "out.csv"):
        assert len(set(names)) == len(names)


BATCH_SIZE = 3
TRAINED = (
    "data=segment",
    "epochs=6",
    f"batch_size={BATCH_SIZE}",
    f"log_every={BATCH_SIZE}",
    "figures=false",
    QUICK,
)
SOUND = ("~data.features.rgb", "model.normalize=none")


def on(ratings):
    return f"data.train={ratings}", f"data.validate={ratings}"


@pytest.fixture(scope="module")
def tuned(store, ratings):
    """A training on segments; the model takes few frames, though more than a segment has."""
    words = ("~data.features.rgb", "model.sampling.max_frames=20")
    return store.done("train", *TRAINED, *on(ratings), *words)


def test_training_on_segments_needs_the_shards_alone(store, tuned):
    assert tuned["examples"] == 30
    assert 0 < tuned["map"] <= 1
    run = store.get(tuned["run_id"])
    assert run.info.run_name.startswith("frame_logistic · ")
    losses = [loss for _, loss in store.curve(tuned["run_id"], "train/loss")]
    assert losses[-1] < losses[0]


def test_a_model_of_few_frames_scores_segments_as_its_training_said(store, tuned, ratings):
    words = (f"model_uri={tuned['model_uri']}", "segments=true", f"shards={ratings}", QUICK)
    result = store.done("eval", *words)
    for name in ("gap", "map", "hit_at_1", "perr", "loss"):
        assert result[name] == pytest.approx(tuned[name], abs=1e-6)
    assert result["videos"] == 5
    assert 0 < result["segment_map"] <= 1


def test_a_model_of_few_frames_lists_segments_of_whole_videos(store, tuned, tmp_path):
    (tmp_path / "ids.csv").write_text("Index\n7\n")
    words = (f"model_uri={tuned['model_uri']}", "segments=true", f"output={tmp_path}/out.csv")
    store.done("inference", *words, f"segment_classes={tmp_path}/ids.csv", QUICK)
    [(_, names)] = read_segments(tmp_path / "out.csv")
    assert set(names) == set(all_segments())


def first_loss(store, model_uri, ratings):
    """The loss of a model on the batch that training begins with."""
    tagger = loaded(store, model_uri)
    manifest = shards.scan(str(ratings), replace(tagger.schema, level="segment"))
    batches = training_batches(manifest, BATCH_SIZE, Shuffle(0))
    batch = next(batches)
    batches.close()
    predictions = tagger.model({name: batch[name] for name in tagger.model.input})
    return float(cross_entropy(batch["labels"], predictions, rated=batch["rated"]))


def test_training_starts_from_the_best_model_of_a_run(store, framed, ratings):
    words = (f"start_from={framed['run_id']}", *on(ratings))
    result = store.done("train", *TRAINED, *words)
    expected = first_loss(store, framed["model_uri"], ratings)
    (_, loss), *_ = store.curve(result["run_id"], "train/loss")
    assert loss == pytest.approx(expected, rel=1e-5)
    tags = store.get(result["run_id"]).data.tags
    assert tags["start_from.run_id"] == framed["run_id"]
    assert tags["start_from.id"] == framed["model_uri"].removeprefix("models:/")


def test_training_starts_from_a_model(store, blind, ratings):
    words = ("start_from=models:/blind/1", *SOUND, *on(ratings))
    result = store.done("train", *TRAINED, *words, "epochs=1")
    (_, loss), *_ = store.curve(result["run_id"], "train/loss")
    assert loss == pytest.approx(first_loss(store, blind, ratings), rel=1e-5)
    tags = store.get(result["run_id"]).data.tags
    assert (tags["start_from.name"], tags["start_from.version"]) == ("blind", "1")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("start_from=models:/blind/1",), "must start from a model with the same weights, but"),
        (("start_from=models:/blind/1", "model=dbof", "model.clusters=8", *SOUND[:1]), "dbof as f"),
        (("start_from=nothing", *SOUND), "No model at 'runs:/nothing/best'"),
    ],
)
def test_training_starts_from_nothing_else(store, blind, ratings, words, sentence):
    outcome = store.run("train", *TRAINED, *on(ratings), *words)
    assert (outcome.status, outcome.out) == (2, "")
    assert sentence in outcome.sentence
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("model", "sizes"),
    [("frame_logistic", []), ("dbof", ["model.clusters=16", "model.units=8"])],
)
def test_pairs_that_were_not_rated_have_no_gradient(ratings, model, sizes):
    """A whole step changes what stands for a rated class alone, were it present or not."""
    sizes = ["model.clusters=16", "model.units=8", "model.head=logistic"] if model == "dbof" else []
    words = [
        f"model={model}",
        "data=segment",
        *on(ratings),
        "~data.features.rgb",
        "model.head.l2=0",
    ]
    cfg = compose.compose("train", [*words, *sizes, "optimizer=sgd"])
    learner = recipe.learner(cfg, tf.distribute.get_strategy())
    update = step.make(
        learner.model,
        instantiate(cfg.loss),
        learner.optimizer,
        strategy=tf.distribute.get_strategy(),
    )
    [batch] = ordered_batches(shards.scan(**sources.arguments(cfg, "train")))
    classifier = learner.model.get_layer("classifier")
    before = [variable.numpy() for variable in classifier.weights]
    update(batch, 1.0)
    for variable, was in zip(classifier.weights, before, strict=True):
        moved = np.abs(variable.numpy() - was).reshape(-1, spec.CLASSES).max(axis=0)
        assert np.flatnonzero(moved).tolist() == sorted(BIASES)


def test_labels_of_the_video_mean_nothing_to_its_segments(ratings):
    schema = Schema({"audio": spec.AUDIO}, spec.CLASSES, "segment")
    [batch] = ordered_batches(shards.scan(str(ratings), schema))
    of_video = {label for r in frame_records().values() for label in labels(r)}
    assert not of_video & set(batch["rated"].ravel().tolist())
    assert batch["frames"].tolist() == [5, 5, 5, 5, 3]


def labels(record):
    return parsed(record).context.feature["labels"].int64_list.value


BAD = {
    "segment_labels in [0, 3862), but got 3862": [(0, 3862, True)],
    "within the video's 139 frames, but got 140": [(0, 3, True), (140, 3, True)],
}


@pytest.mark.parametrize("problem", BAD)
def test_bad_ratings_are_refused_with_file_and_record(store, tmp_path, problem):
    video = frame_records()["1DfQ"]
    records = (rated(video, theirs) for theirs in (RATINGS["1DfQ"], BAD[problem]))
    path = shard(tmp_path / "bad.tfrecord", *records)
    outcome = store.run("train", *TRAINED, *on(path))
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.sentence.startswith(f"Error: {path}, record 1: expected ")
    assert problem in outcome.sentence


@pytest.mark.parametrize("verb", ["eval", "inference"])
def test_segments_are_of_models_that_take_frames(store, trained, ratings, tmp_path, verb):
    words = [f"model_uri={trained['model_uri']}", "segments=true", f"shards={ratings}", QUICK]
    words += [f"output={tmp_path}/out.csv"] if verb == "inference" else []
    outcome = store.run(verb, *words)
    assert (outcome.status, outcome.out) == (2, "")
    assert "Segments are predicted by models that take frames, but" in outcome.sentence
    assert not list(tmp_path.iterdir())


def test_shards_without_ratings_cannot_be_scored(store, blind):
    words = (f"model_uri={blind}", "segments=true", "shards=sample/frame/validate", QUICK)
    outcome = store.run("eval", *words)
    assert (outcome.status, outcome.out) == (2, "")
    assert "No record of shards=sample/frame/validate has rated segments" in outcome.sentence
    outcome = store.run("eval", f"model_uri={blind}", "segments=true", QUICK)
    assert outcome.status == 2
    assert "shards must be given with segments=true" in outcome.sentence


def test_classes_that_the_model_does_not_know_cannot_be_listed(store, tmp_path):
    model = imported(store, tmp_path, "small", np.zeros((spec.AUDIO, 1500), np.float32))
    words = (f"model_uri={model}", "segments=true", f"output={tmp_path}/out.csv", QUICK)
    outcome = store.run("inference", *words)
    assert (outcome.status, outcome.out) == (2, "")
    assert "`segment_classes` must list classes of the model, in [0, 1500)" in outcome.sentence
    assert not (tmp_path / "out.csv").exists()

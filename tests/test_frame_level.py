"""Training, evaluation and inference on frames."""

import json
import shutil
import signal

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.data.examples import example, floats, integers, lists, rows, text
from tests.made_segments import frame_records, parsed
from tests.verbs import PROJECT, sample_records, shard
from yt8m_exp import spec
from yt8m_exp.evaluation import metrics
from yt8m_exp.serving.predictions import read_predictions

METRICS = tuple(metric.key for metric in metrics.curves())
QUICK = "tracking.system_metrics=false"
SHARD = "sample/frame/train/train0580.tfrecord"
SMALL = (
    "data=frame",
    "~data.features.rgb",
    "model.sampling.max_frames=60",
    "batch_size=2",
    QUICK,
)
"""A model of the sound of the first minute."""
RESUMABLE = (
    *SMALL,
    "epochs=8",
    "evaluate_every=64",
    "log_every=8",
    "checkpoint_seconds=0.02",
    "model.sampling=random",
    "model.dropout=0.5",
    "ema_half_life=50",
)


@pytest.fixture(scope="module")
def model(store, framed):
    return mlflow.pyfunc.load_model(str(store.model(framed["model_uri"])))


@pytest.fixture(scope="module")
def scored(store, framed):
    return store.done("eval", "model_uri=models:/framed/1", QUICK)


@pytest.fixture(scope="module")
def predicted(store, framed, tmp_path_factory):
    output = tmp_path_factory.mktemp("frames") / "out.csv"
    return store.done("inference", "model_uri=models:/framed/1", f"output={output}", "top_k=5")


@pytest.fixture(scope="module")
def straight(store):
    """A training that nothing disturbed."""
    return store.done("train", *RESUMABLE)


@pytest.fixture(scope="module")
def resumed(store):
    """The same training, killed after a checkpoint and resumed, its data named again."""
    running, run_id = store.start_run("train", *RESUMABLE)
    running.until(lambda: store.checkpoints(run_id))
    running.send(signal.SIGKILL)
    running.process.join()
    assert running.process.exitcode == -signal.SIGKILL
    return store.done("train", f"resume={run_id}", "data=frame", "model=frame_logistic")


def test_shifts_of_no_frame_change_nothing(store, scored):
    words = ("model_uri=models:/framed/1", "frame_shifts=[0,0]", QUICK)
    found = store.done("eval", *words)
    assert found["gap"] == pytest.approx(scored["gap"], abs=1e-6)


def test_training_on_frames_needs_no_other_word(store, framed):
    assert {"run_id", "model_uri", "examples", "examples_per_second", *METRICS} <= framed.keys()
    assert framed["examples"] == 3 * 14
    run = store.get(framed["run_id"])
    assert run.info.run_name.startswith("frame_logistic · ")
    assert run.data.params["cfg.data.level"] == "frame"
    assert {data.dataset.name for data in run.inputs.dataset_inputs} == {
        "yt8m-train",
        "yt8m-validate",
    }
    losses = [loss for _, loss in store.curve(framed["run_id"], "train/loss")]
    assert losses[-1] < losses[0]


def test_a_registered_model_scores_as_its_training_said(framed, scored):
    for name in METRICS:
        assert scored[name] == pytest.approx(framed[name], abs=1e-6)
    assert scored["videos"] == 7


def test_the_predictions_file_holds_what_the_model_answers(model, predicted):
    assert predicted["videos"] == 7
    assert predicted["videos_per_second"] > 0
    lines = list(read_predictions(predicted["output"]))
    videos = frame_records()
    records = pd.DataFrame({"record": [videos[video] for video, _, _ in lines]})
    answers = model.predict(records, params={"top_k": 5})
    assert [video for video, _, _ in lines] == answers["id"].tolist() == list(videos)
    assert [ids.tolist() for _, ids, _ in lines] == answers["class_ids"].tolist()
    given = np.array(answers["probabilities"].tolist())
    np.testing.assert_allclose([scores for _, _, scores in lines], given, rtol=2e-5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("data=frame", "model=moe"), "moe takes video-level features and the data's level is fr"),
        (("model=frame_logistic",), "frame_logistic takes frames and the data's level is video"),
        (
            ("data=frame", "data.max_frames=60"),
            "`data.max_frames >= model.sampling.max_frames` must hold, as a model is served all "
            "frames that it takes, but got data.max_frames=60, model.sampling.max_frames=300.",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(store, words, sentence):
    outcome = store.run("train", *words, QUICK)
    assert (outcome.status, outcome.out) == (2, "")
    assert sentence in outcome.sentence
    assert "Traceback" not in outcome.err


def test_a_model_of_fewer_frames_and_features_is_served_as_it_was_trained(store, straight):
    model = store.model(straight["model_uri"])
    inputs = yaml.safe_load((model / "MLmodel").read_text())["signature"]["inputs"]
    assert {column["name"] for column in json.loads(inputs)} == {"id", "record", "audio"}
    assert json.loads(store.text(straight["run_id"], "data/train.json"))["features"] == {
        "audio": 128
    }
    assert store.get(straight["run_id"]).data.params["cfg.data.max_frames"] == "60"
    answers = []
    for kept in (60, 61, 59):
        cut = {name: cut_to(record, kept) for name, record in frame_records().items()}
        loaded = mlflow.pyfunc.load_model(str(model))
        answers.append(loaded.predict(pd.DataFrame({"record": list(cut.values())})))
    pd.testing.assert_frame_equal(answers[0], answers[1])
    assert not answers[0].equals(answers[2])


def cut_to(record, kept):
    video = parsed(record)
    for frames in video.feature_lists.feature_list.values():
        del frames.feature[kept:]
    return video.SerializeToString()


def test_a_run_that_was_killed_and_resumed_ends_as_one_that_was_not(store, straight, resumed):
    ours, theirs = (np.load(store.checkpoints(r["run_id"])[-1]) for r in (resumed, straight))
    assert ours.files == theirs.files
    for name in ours.files:
        np.testing.assert_array_equal(ours[name], theirs[name])
    for key in (*METRICS, "examples"):
        assert resumed[key] == straight[key]
    for key in ("train/loss", "val/gap"):
        curve = store.curve(straight["run_id"], key)
        assert store.curve(resumed["run_id"], key) == curve
    assert store.get(resumed["run_id"]).data.tags["resumes"] == "1"


def test_a_run_is_watched_at_the_checkpoints_it_kept(store, straight):
    result = store.done("eval", f"watch={straight['run_id']}", QUICK)
    theirs = dict(store.curve(straight["run_id"], "val/gap"))
    curve = store.curve(result["run_id"], "val/gap")
    assert curve[-1][0] == straight["examples"]
    for examples, gap in curve:
        if examples in theirs:  # the others were written by time
            assert gap == pytest.approx(theirs[examples], abs=1e-6)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("data=video", "the data it began with (frame), but the command line asks for video"),
        (
            "model=dbof",
            "the model it began with (yt8m_exp.models.frame_level.frame_logistic.build), but the",
        ),
        ("data.validate=sample/frame/train", "the data it began with (data.validate of digest"),
    ],
)
def test_another_level_model_or_data_is_no_resume(store, straight, word, sentence):
    kept = store.checkpoints(straight["run_id"])
    words = (f"resume={straight['run_id']}", word)
    outcome = store.run("train", *words, *(["data=frame"] if "validate" in word else []))
    assert (outcome.status, outcome.out) == (2, "")
    assert sentence in outcome.sentence
    assert store.checkpoints(straight["run_id"]) == kept
    assert store.status(straight["run_id"]) == "FINISHED"


def cut(path):
    data = (PROJECT / SHARD).read_bytes()
    path.write_bytes(data[:-1000])


def empty(path):
    path.write_bytes(b"")


def float_frames(path):
    video = parsed(sample_records(SHARD)[0])
    for frame in video.feature_lists.feature_list["rgb"].feature:
        frame.float_list.value.extend([0.5] * 1024)
    shard(path, video.SerializeToString())


def narrow_frames(path):
    good, video = map(parsed, sample_records(SHARD)[:2])
    for frame in video.feature_lists.feature_list["audio"].feature:
        frame.bytes_list.value[0] = frame.bytes_list.value[0][:100]
    shard(path, good.SerializeToString(), video.SerializeToString())


def flipped_bit(path):
    data = bytearray((PROJECT / SHARD).read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def means_of_videos(path):
    shutil.copy(PROJECT / "sample/video/train/validate0017.tfrecord", path)


BAD = [
    (cut, "record 2", "the file ends in the middle of it"),
    (empty, "record 0", "the file is empty (0 bytes)"),
    (float_frames, "record 0", "expected `rgb` rows of 1024 bytes, but got numbers"),
    (narrow_frames, "record 1", "expected `audio` rows of 128 bytes, but got 100"),
    (flipped_bit, "record 1", "checksum"),
    (means_of_videos, "record 0", "Is this a frame-level shard?"),
]


@pytest.mark.parametrize(("make", "place", "problem"), BAD)
def test_bad_shards_are_refused_with_file_and_record(store, tmp_path, make, place, problem):
    path = tmp_path / f"{make.__name__}.tfrecord"
    make(path)
    outcome = store.run("train", "data=frame", f"data.train={tmp_path}", QUICK)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.sentence.startswith(f"Error: {path}, {place}: ")
    assert problem in outcome.sentence
    assert "Traceback" not in outcome.err


@pytest.fixture(scope="module")
def partly_bad(tmp_path_factory):
    """A good shard among bad ones."""
    folder = tmp_path_factory.mktemp("partly_bad")
    shutil.copy(PROJECT / SHARD, folder)
    for make, _, _ in BAD[:4]:
        make(folder / f"{make.__name__}.tfrecord")
    return folder


def test_bad_shards_leave_what_was_there_before(store, framed, predicted, partly_bad, tmp_path):
    output = shutil.copy(predicted["output"], tmp_path)
    words = ("model_uri=models:/framed/1", f"shards={partly_bad}", QUICK)
    outcome = store.run("inference", *words, f"output={output}")
    assert (outcome.status, outcome.out) == (2, "")
    assert f"{partly_bad}/cut.tfrecord, record 2" in outcome.sentence
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert next(read_predictions(output))[0] == "1DfQ"
    outcome = store.run("eval", *words)
    assert outcome.status == 2
    assert f"{partly_bad}/cut.tfrecord, record 2" in outcome.sentence


def test_bad_records_are_left_out_and_counted_where_that_is_asked_for(store, partly_bad):
    words = (*SMALL, f"data.train={partly_bad}", "data.on_bad_record=skip", "epochs=1")
    outcome = store.run("train", *words)
    assert outcome.status == 0, outcome.err
    run_id = outcome.result["run_id"]
    listed = json.loads(store.text(run_id, "data/train.json"))
    usable = {row["name"]: row["records"] for row in listed["shards"]}
    assert usable == {
        "cut.tfrecord": 2,
        "empty.tfrecord": 0,
        "float_frames.tfrecord": 1,  # its `audio` is whole, and only that is read
        "narrow_frames.tfrecord": 1,
        "train0580.tfrecord": 3,
    }
    assert f"7 videos in 5 shards, digest {listed['digest']}; 3 bad records left out" in outcome.err
    assert store.get(run_id).data.metrics["data/train_skipped_records"] == 3


def test_models_of_frames_are_promoted_on_frames(store):
    words = ("name=gated_frames", "shards=sample/frame/validate/*.tfrecord", QUICK)
    for _ in range(2):
        worse = store.done("train", *SMALL, "epochs=1", "register=gated_frames")
    policy = ("policy.minimum_gap=0", "policy.resamples=100")
    first = store.done("promote", *words, *policy, "version=1")
    assert first["promoted"] is True
    assert first["challenger_gap"] == pytest.approx(worse["gap"], abs=1e-6)
    second = store.done("promote", *words, *policy, "version=2")
    assert second["promoted"] is False
    assert "GAP must gain at least" in second["reason"]
    assert second["interval"] == [0.0, 0.0]


@pytest.fixture
def audioset(tmp_path):
    """Shards and names as AudioSet has them: made up, but for their layout."""
    sound = np.random.default_rng(0).integers(0, 256, (6, 10, spec.AUDIO), np.uint8)
    records = [
        example(
            video_id=text(b"--audioset%d" % number),
            start_time_seconds=floats([30.0]),
            end_time_seconds=floats([40.0]),
            labels=integers(number, 526),
        )
        + lists(audio_embedding=rows(second.tobytes() for second in seconds))
        for number, seconds in enumerate(sound)
    ]
    names = "".join(f'{n},/m/{n},"Sound, {n}"\n' for n in range(527))
    (tmp_path / "class_labels_indices.csv").write_text(f"index,mid,display_name\n{names}")
    (tmp_path / "bal_train").mkdir()
    return shard(tmp_path / "bal_train" / "aB.tfrecord", *records).parent


def test_audioset_is_trained_on_and_predicted(store, audioset, tmp_path):
    words = [f"data.train={audioset}", f"data.validate={audioset}", "batch_size=3", "epochs=2"]
    words += [f"data.vocabulary={tmp_path}/class_labels_indices.csv", "register=audioset", QUICK]
    trained = store.done("train", "data=audioset", *words)
    assert trained["examples"] == 12
    output = f"output={tmp_path}/out.csv"
    words = ["model_uri=models:/audioset/1", f"shards={audioset}", output, "top_k=2", QUICK]
    assert store.done("inference", *words)["videos"] == 6
    model = mlflow.pyfunc.load_model(str(store.model(trained["model_uri"])))
    answers = model.predict(pd.DataFrame({"audio_embedding": [bytes(10 * spec.AUDIO)]}))
    assert answers["class_names"][0][0].startswith("Sound, ")

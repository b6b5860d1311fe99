import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.examples import example, field, floats, integers, text
from tests.verbs import CURVES, PROJECT, SCORED, SHARD, SMALL, record, sample_records, shard
from yt8m_exp.tracking.pages import cards

BIN = Path(sys.executable).parent

RESUMABLE = (
    *SMALL,
    "figures=true",
    "epochs=12",
    "batch_size=32",
    "log_every=64",
    "evaluate_every=1024",
    "checkpoint_seconds=0.02",
    "model.dropout=0.5",
    "ema_half_life=500",
    "augmentation={mixup: 0.2, noise: 0.01}",
    "label_smoothing=0.05",
    "averaging={method: greedy, checkpoints: 3}",
    "data.balance=0.3",
)


@pytest.fixture(scope="module")
def resumable(trained):
    """Words of a training with all that is drawn at random, and with a teacher."""
    return *RESUMABLE, f"distillation.teacher={trained['model_uri']}"


@pytest.fixture(scope="module")
def straight(store, resumable):
    """A training that nothing disturbed."""
    return store.done("train", *resumable)


@pytest.fixture(scope="module")
def disturbed(store, resumable):
    """The same training, killed twice, stopped once, and resumed each time, at last from packed
    shards."""
    first, run_id = store.start_run("train", *resumable)
    kill_after_a_checkpoint(store, run_id, first)
    second = store.start("train", f"resume={run_id}")
    kill_after_a_checkpoint(store, run_id, second)
    assert store.status(run_id) == "RUNNING"

    third = store.start("train", f"resume={run_id}")
    before = store.checkpoints(run_id)
    third.until(lambda: store.checkpoints(run_id) != before)
    third.send(signal.SIGSTOP)  # or it might end meanwhile
    intruder = store.run("train", f"resume={run_id}")
    third.send(signal.SIGTERM)
    third.send(signal.SIGCONT)
    stopped = third.wait()
    kept = store.checkpoints(run_id), store.status(run_id), store.get(run_id).data.tags["error"]
    result = store.done("train", f"resume={run_id}", "data.packed.precision=float32")
    return {"result": result, "stopped": stopped, "kept": kept, "intruder": intruder}


def kill_after_a_checkpoint(store, run_id, running):
    before = store.checkpoints(run_id)
    running.until(lambda: store.checkpoints(run_id) not in ([], before))
    running.send(signal.SIGKILL)
    assert running.process.join() is None
    assert running.process.exitcode == -signal.SIGKILL


def test_a_run_that_was_killed_and_resumed_ends_as_one_that_was_not(store, straight, disturbed):
    ours, theirs = (
        np.load(store.checkpoints(result["run_id"])[-1])
        for result in (disturbed["result"], straight)
    )
    assert ours.files == theirs.files
    for name in ours.files:
        np.testing.assert_array_equal(ours[name], theirs[name])
    for key in ("gap", "loss", "examples", "map"):
        assert disturbed["result"][key] == straight[key]


def test_each_point_of_a_resumed_runs_curves_is_there_once(store, straight, disturbed):
    for key in CURVES:
        curve = store.curve(disturbed["result"]["run_id"], key)
        assert curve == store.curve(straight["run_id"], key)
        assert len({step for step, _ in curve}) == len(curve)
    speed = store.curve(straight["run_id"], "train/examples_per_second")
    again = store.curve(disturbed["result"]["run_id"], "train/examples_per_second")
    assert [step for step, _ in again] == [step for step, _ in speed]


def test_a_stopped_run_is_killed_with_a_checkpoint_and_can_be_resumed(store, disturbed):
    checkpoints, status, error = disturbed["kept"]
    assert disturbed["stopped"].status == 128 + signal.SIGTERM
    assert checkpoints
    assert status == "KILLED"
    assert error == "Stopped by SIGTERM."
    assert f"resume={disturbed['result']['run_id']}" in disturbed["stopped"].err
    run = store.get(disturbed["result"]["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.tags["resumes"] == "3"
    assert "error" not in run.data.tags


def test_a_run_has_one_process(disturbed):
    assert disturbed["intruder"].status == 1
    assert "is held by process" in disturbed["intruder"].sentence
    assert disturbed["intruder"].out == ""


@pytest.fixture(scope="module")
def run(store, trained):
    return store.get(trained["run_id"])


def test_the_last_line_says_what_a_script_needs_next(trained):
    assert {"run_id", "model_uri", "examples", "examples_per_second"} <= trained.keys()
    assert trained["model_uri"].startswith("models:/m-")
    assert trained["examples"] == 1536
    for metric in ("gap", "hit_at_1", "perr", "map"):
        assert 0 < trained[metric] <= 1
    assert (trained["registered"], trained["version"]) == ("tagger", 1)


def test_a_run_holds_its_configuration_and_its_origin(store, run):
    params = run.data.params
    assert params["cfg.epochs"] == "3"
    assert params["cfg.model._target_"] == "yt8m_exp.models.video_level.logistic.build"
    assert params["cfg.data.classes"] == "3862"
    assert "learning_rate: 0.02\n" in store.text(run.info.run_id, "config.yaml")
    assert run.info.status == "FINISHED"
    assert run.data.tags["verb"] == "train"
    assert {"git.commit", "versions", "hardware", "lock.digest"} <= run.data.tags.keys()


def test_a_run_names_its_data_and_their_digests(store, run):
    described = {}
    for entry in run.inputs.dataset_inputs:
        (context,) = (tag.value for tag in entry.tags)
        described[context] = entry.dataset.name, entry.dataset.digest
    manifests = {
        name: json.loads(store.text(run.info.run_id, f"data/{name}.json"))
        for name in ("train", "validate")
    }
    for name, manifest in manifests.items():
        assert described[name] == (f"yt8m-{name}", manifest["digest"])
    assert [s["name"] for s in manifests["train"]["shards"]] == [
        "validate0017.tfrecord",
        "validate0040.tfrecord",
    ]


def test_curves_are_drawn_against_examples_seen(store, trained):
    run_id = trained["run_id"]
    for key in CURVES:
        assert store.curve(run_id, key)[-1][0] == trained["examples"]
    gaps = store.curve(run_id, "val/gap")
    assert [step for step, _ in gaps] == [512, 1024, 1536]
    assert max(value for _, value in gaps) == pytest.approx(trained["gap"], abs=1e-6)
    ((best, gap),) = store.curve(run_id, "best/val/gap")
    assert gap == trained["gap"] == dict(gaps)[best]
    assert store.curve(run_id, "train/examples_per_second")[-1][1] > 0
    assert store.files(run_id, "figures") == {
        f"figures/{name}.png"
        for name in ("gap", "loss", "precision_recall", "ap_by_frequency", "classes")
    }
    assert store.files(run_id, "tables") == {"tables/classes.csv", "tables/classes.html"}
    names = [path.name for path in store.checkpoints(run_id)]
    assert names[-1] == "checkpoint-000000001536.npz"
    assert store.files(run_id, "checkpoints") == {
        f"checkpoints/{name}" for name in (*names, "best.keras")
    }


def test_models_are_found_by_the_metrics_on_their_data(store, run, trained):
    found = store.client.search_logged_models(
        [run.info.experiment_id],
        filter_string=f"source_run_id = '{run.info.run_id}' AND metrics.`best/val/gap` > 0",
        datasets=[{"dataset_name": "yt8m-validate"}],
    )
    assert [f"models:/{model.model_id}" for model in found] == [trained["model_uri"]]
    assert {metric.key: metric.value for metric in found[0].metrics}["best/val/gap"] == trained[
        "gap"
    ]
    logged = store.client.search_logged_models(
        [run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"
    )
    name = f"logistic-{run.info.run_id[:8]}"
    assert {model.name: model.tags["role"] for model in logged} == {
        name: "best",
        f"{name}-last": "last",
    }
    version = store.client.get_model_version("tagger", "1")
    assert version.run_id == run.info.run_id
    assert version.description == run.data.tags["mlflow.note.content"]
    assert store.client.get_registered_model("tagger").description.startswith("Names the classes")


def test_a_run_tells_its_story(store, trained, run):
    assert run.info.run_name == "logistic · 510 videos · lr 0.02 · epochs 3"
    assert {key: run.data.params[key] for key in ("model", "data", "loss", "optimizer")} == {
        "model": "logistic",
        "data": "video",
        "loss": "cross_entropy",
        "optimizer": "adam",
    }
    card = run.data.tags["mlflow.note.content"]
    shards = "sample/video/train/validate0017.tfrecord,sample/video/train/validate0040.tfrecord"
    command = f"yt8m train 'data.train=[{shards}]' epochs=3"
    assert run.data.tags["command"] == command
    assert cards.code(command) in card
    for digest in (dataset.dataset.digest for dataset in run.inputs.dataset_inputs):
        assert digest in card
    gap = f"| {trained['gap']:.4f}"
    for part in ("GAP@20", gap, "epochs `3`", "classes have no video there"):
        assert part in card
    assert f'load_model("{trained["model_uri"]}")' in card
    (schema,) = {dataset.dataset.schema for dataset in run.inputs.dataset_inputs}
    assert '"name": "mean_rgb", "type": "float[1024]"' in schema


def test_a_resumed_run_honours_what_its_command_line_changes(store):
    constant = "schedule=constant"
    words = ("epochs=1", "batch_size=256", constant)
    run_id = store.done("train", *SMALL, *words)["run_id"]
    kept = store.checkpoints(run_id)
    other_model = store.run("train", f"resume={run_id}", "model=moe")
    assert other_model.status == 2
    assert "must go on with the model it began with" in other_model.sentence
    other_order = store.run("train", f"resume={run_id}", "seed=7")
    assert other_order.status == 2
    assert "must go on in the order of videos it began with (seed=0)" in other_order.sentence
    other_data = store.run("train", f"resume={run_id}", f"data.train={SCORED}")
    assert other_data.status == 2
    assert "must go on with the data it began with" in other_data.sentence
    assert store.checkpoints(run_id) == kept
    assert "validate0017" in store.text(run_id, "data/train.json")
    assert len(store.get(run_id).inputs.dataset_inputs) == 2
    assert store.status(run_id) == "FINISHED"
    assert "resumes" not in store.get(run_id).data.tags

    result = store.done("train", f"resume={run_id}", "epochs=2", "learning_rate=0.5")
    assert result["examples"] == 512
    assert store.curve(run_id, "learning_rate") == [(256, 0.02), (512, 0.5)]
    params, tags = store.get(run_id).data.params, store.get(run_id).data.tags
    assert (params["cfg.epochs"], params["cfg.epochs.resume-1"]) == ("1", "2")
    assert tags["resume.1.command"] == f"yt8m train epochs=2 learning_rate=0.5 resume={run_id}"
    note = tags["mlflow.note.content"]
    assert "Changed when it was resumed: epochs: 1, now 2; learning_rate: 0.02, now 0.5" in note
    assert "Resumed at 256 examples." in note
    assert "epochs `2`" in note
    assert store.status(run_id) == "FINISHED"

    again = store.run("train", f"resume={run_id}")
    assert "Going on at 512 examples\nNothing is left to train: raise epochs" in again.err
    assert "Downloading" not in again.err  # by MLflow
    assert again.result["gap"] == result["gap"]


def test_a_norm_of_zero_clips_nothing(store):
    words = (*SMALL, "epochs=1")
    free, zero = (store.done("train", *words, f"clip.norm={norm}") for norm in ("null", "0"))
    assert (zero["gap"], zero["loss"]) == (free["gap"], free["loss"])


def test_validation_shards_without_a_label_are_refused(store, tmp_path):
    path = shard(tmp_path / "bare.tfrecord", record("a", labels=integers()))
    outcome = store.run("train", *SMALL, f"data.validate={path}")
    assert outcome.status == 2
    assert "none of the 1 videos in" in outcome.sentence


def test_a_resume_can_set_a_value_back_to_its_default(store):
    given = ("learning_rate=0.5", "schedule=constant")
    first = store.done("train", *SMALL, "epochs=1", *given)
    words = (f"resume={first['run_id']}", "epochs=2", "learning_rate=0.02")
    store.done("train", *words)
    curve = store.curve(first["run_id"], "learning_rate")
    assert [rate for _, rate in curve] == [0.5] * (len(curve) // 2) + [0.02] * (len(curve) // 2)


def test_a_batch_that_no_memory_holds_is_refused_before_a_run_is_opened(store):
    before = store.run_ids()
    outcome = store.run("train", *SMALL, "batch_size=20000000")
    assert outcome.status == 2
    assert "A training must fit the free memory" in outcome.sentence
    assert "Set batch_size=" in outcome.sentence
    assert store.run_ids() == before


@pytest.mark.parametrize("moment", ["evaluate_every=128", "checkpoint_seconds=0"])
def test_a_training_that_diverges_fails_and_nothing_is_kept_of_it(store, moment):
    words = ("batch_size=64", "schedule=constant", "optimizer=sgd", "learning_rate=1e38", moment)
    running, run_id = store.start_run("train", *SMALL, *words)
    outcome = running.wait()
    assert outcome.status == 1
    assert outcome.sentence.startswith("Error: The")
    assert "must be finite, but" in outcome.sentence
    assert "Lower learning_rate" in outcome.sentence
    assert outcome.out == ""
    assert store.status(run_id) == "FAILED"
    assert "NotFiniteError" in store.text(run_id, "error.txt")
    for path in store.checkpoints(run_id):
        values = np.load(path)
        assert all(np.isfinite(values[name]).all() for name in values.files)


@pytest.mark.parametrize(
    ("most_bytes", "what"), [(8 << 20, "The model"), (32 << 20, "The checkpoint at 256 examples")]
)
def test_a_full_disk_fails_the_run_and_names_the_file(store, most_bytes, what):
    words = (f"data.train={SHARD}", f"data.validate={SCORED}", "epochs=1", "jit_compile=false")
    running, run_id = store.start_run("train", *words, most_bytes=most_bytes)
    outcome = running.wait()
    assert outcome.status == 1
    assert f"{what} cannot be written (File too large)" in outcome.sentence
    assert "resume=" in outcome.sentence
    assert store.status(run_id) == "FAILED"
    assert not list(store.checkpoints(run_id))
    assert not list((store.runs / run_id / "checkpoints").glob("*part*"))


def test_a_disk_that_fills_up_leaves_older_checkpoints_to_go_on_from(store):
    run_id = store.done("train", *SMALL, "epochs=1")["run_id"]
    kept = [path.read_bytes() for path in store.checkpoints(run_id)]
    assert store.run("train", f"resume={run_id}", "epochs=2", most_bytes=3 << 20).status == 1
    assert [path.read_bytes() for path in store.checkpoints(run_id)] == kept


def test_a_full_entry_point_joins_the_run_that_mlflow_made(store, tmp_path):
    parameters = {
        "train": SHARD,
        "validate": SCORED,
        "epochs": "1",
        "overrides": f"~data.features.mean_rgb tracking.runs={tmp_path}",
    }
    before = store.run_ids()
    result = store.mlflow_run("train", parameters)
    assert store.run_ids() - before == {result["run_id"]}
    run = store.get(result["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.project.entryPoint"] == "train"
    assert run.data.params["cfg.epochs"] == "1"
    assert run.data.params["epochs"] == "1"
    assert [path.name for path in tmp_path.iterdir()] == [result["run_id"]]


def cut(folder):
    data = (PROJECT / SHARD).read_bytes()
    (folder / "cut.tfrecord").write_bytes(data[: len(data) // 2])


def empty(folder):
    (folder / "empty.tfrecord").write_bytes(b"")


def frames(folder):
    context = example(id=text(b"a"), labels=integers(1))
    shard(folder / "frames.tfrecord", context + field(2, b""))


def of_2017(folder):
    shard(folder / "of_2017.tfrecord", record("a"), record("b", labels=integers(3862)))


def not_finite(folder):
    audio = floats([float("nan")] * 128)
    shard(folder / "not_finite.tfrecord", record("a"), record("b"), record("c", mean_audio=audio))


def unlabelled(folder):
    shard(folder / "unlabelled.tfrecord", record("a"), record("b", labels=None))


@pytest.mark.parametrize(
    ("make", "place", "problem"),
    [
        (cut, "record 12", "the file ends in the middle of it"),
        (empty, "record 0", "the file is empty (0 bytes)"),
        (frames, "record 0", "Is this a video-level shard?"),
        (of_2017, "record 1", "expected labels in [0, 3862), but got label 3862"),
        (not_finite, "record 2", "`mean_audio`[0] is nan"),
        (unlabelled, "1 of 2 records", "have no `labels`"),
    ],
)
def test_bad_shards_are_refused_with_file_and_record(store, tmp_path, make, place, problem):
    make(tmp_path)
    outcome = store.run("train", *SMALL, f"data.train={tmp_path}")
    assert outcome.status == 2
    assert outcome.sentence.startswith(f"Error: {tmp_path}/{make.__name__}.tfrecord")
    assert place in outcome.sentence
    assert problem in outcome.sentence
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


def test_a_vocabulary_of_another_size_is_refused(store, tmp_path):
    (tmp_path / "names.csv").write_text("index,name\n0,Game\n1,Vehicle\n")
    outcome = store.run("train", *SMALL, f"data.vocabulary={tmp_path}/names.csv")
    assert outcome.status == 2
    assert "expected each class id in [0, 3862) once, but got 2 rows" in outcome.sentence


def test_bad_records_are_left_out_and_counted_where_that_is_asked_for(store, tmp_path):
    good = sample_records(SHARD)[:40]
    shard(tmp_path / "some.tfrecord", *good, record("bad", mean_audio=floats([1.0])))
    refused = store.run("train", *SMALL, f"data.train={tmp_path}")
    assert refused.status == 2
    assert "To leave such records out, set data.on_bad_record=skip." in refused.sentence
    outcome = store.run(
        "train", *SMALL, f"data.train={tmp_path}", "data.on_bad_record=skip", "epochs=2"
    )
    assert outcome.status == 0, outcome.err
    assert "40 videos in 1 shards" in outcome.err
    assert "1 bad records left out" in outcome.err
    run_id = outcome.result["run_id"]
    assert store.get(run_id).data.metrics["data/train_skipped_records"] == 1
    (listed,) = json.loads(store.text(run_id, "data/train.json"))["shards"]
    assert (listed["records"], len(listed["skipped"])) == (40, 1)


@pytest.mark.parametrize("check_bytes", ["null", "0"])  # all is known at the start, or at the end
def test_videos_that_are_trained_and_measured_on_are_warned_of(store, tmp_path, check_bytes):
    for number in range(2):
        shard(tmp_path / f"{number}.tfrecord", *sample_records(SHARD)[number * 40 :][:40])
    words = (f"data.train={tmp_path}", f"data.validate={tmp_path}/1.tfrecord", "epochs=1")
    outcome = store.run("train", *SMALL, *words, f"data.check_bytes={check_bytes}")
    said = " ".join(outcome.err.split())
    assert said.count("40 of the 40 videos to measure on are also trained on") == 1
    assert "trained on 80 videos, measured on 40, of which 40 were trained on" in said
    run = store.get(outcome.result["run_id"])
    assert run.data.metrics["data/validate_ids_in_train"] == 40
    assert "measured on 40, of which 40" in run.data.tags["mlflow.note.content"]


def test_without_figures_the_metrics_are_those_of_the_models_file(store):
    result = store.done("train", *SMALL, "epochs=2")
    scored = store.done("eval", f"model_uri={result['model_uri']}", f"shards={SCORED}")
    for name in ("gap", "hit_at_1", "perr", "map", "loss"):
        assert result[name] == pytest.approx(scored[name], rel=1e-6)
    assert store.get(result["run_id"]).data.metrics["val/gap"] == result["gap"]


def test_a_training_that_xla_compiles_ends_as_one_that_it_does_not(store):
    words = (*SMALL, "epochs=1")
    plain, compiled = (store.done("train", *words, f"jit_compile={x}") for x in ("false", "true"))
    assert compiled["gap"] == pytest.approx(plain["gap"], abs=1e-4)

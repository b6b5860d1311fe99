import json
from pathlib import Path

import numpy as np
import pytest

from tests.videos import made, shapes
from yt8m_exp import spec
from yt8m_exp.data import loading, shards
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.data.writing import sets

EACH, SHARE = 6, 0.4
QUIET = "tracking.system_metrics=false"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def table(folder):
    path = shapes.write(folder, EACH)
    (folder / "empty.mp4").write_bytes(b"")
    made.video(folder / "silent.webm", made.times(30, 25), codec="libvpx")
    with path.open("a") as lines:
        lines.write("empty.mp4,ball\nsilent.webm,bar stripes\n")
    return path


@pytest.fixture(scope="module")
def words(table, folder, extractor_files):
    return (
        f"videos={table}",
        f"output={folder}/mine",
        f"weights={extractor_files}",
        f"validate_share={SHARE}",
    )


@pytest.fixture(scope="module")
def extracted(store, words):
    return store.run("extract", *words)


def read(output, level, split):
    features = {"rgb": spec.RGB, "audio": spec.AUDIO}
    if level == "video":
        features = {f"mean_{name}": size for name, size in features.items()}
    frames = {"level": "frame", "max_frames": spec.MAX_FRAMES} if level == "frame" else {}
    schema = Schema(features, 3, **frames)
    return loading.load(shards.scan(f"{output}/{level}/{split}", schema).shards, schema)


def test_all_videos_that_can_be_decoded_are_in_shards_of_both_levels(extracted, folder):
    assert extracted.status == 0, extracted.err
    result = extracted.result
    assert (result["videos"], result["failed"], result["classes"]) == (3 * EACH + 1, 1, 3)
    assert list(result["failures"]) == ["empty"]
    assert "0 bytes" in result["failures"]["empty"]
    assert f"{folder}/empty.mp4" in extracted.err
    names = {
        f"{name}-{n}": [place]
        for place, name in enumerate(sorted(shapes.CLASSES))
        for n in range(EACH)
    }
    names["silent"] = [1, 2]
    for level in ("frame", "video"):
        for split in sets.SPLITS:
            found = read(folder / "mine", level, split)
            there = {
                video.decode(): found.labels[a:b].tolist()
                for video, a, b in zip(found.ids, found.splits, found.splits[1:], strict=False)
            }
            assert there == {
                video: labels
                for video, labels in names.items()
                if sets.split_of(video, SHARE) == split
            }
    vocabulary = (folder / "mine" / "vocabulary.csv").read_text()
    assert vocabulary == "index,name\n0,ball\n1,bar\n2,stripes\n"


def test_a_record_holds_what_the_networks_say_of_its_frames(extracted, folder, extractor_files):
    from yt8m_exp.videos import extraction
    from yt8m_exp.videos.networks import extractor

    networks = extractor.load(extractor_files)
    expected = extraction.features(folder / "silent.webm", networks, 300)
    assert (expected["audio"] == expected["audio"][0]).all()  # silence, each second
    found = read(folder / "mine", "frame", sets.split_of("silent", SHARE))
    batch = found.batch(np.flatnonzero(np.array(found.ids) == b"silent"))
    for name, rows in expected.items():
        assert np.abs(batch[name][0, : len(rows)].astype(int) - rows).max() <= 1
    videos = read(folder / "mine", "video", sets.split_of("silent", SHARE))
    means = videos.batch(np.flatnonzero(np.array(videos.ids) == b"silent"))["mean_rgb"][0]
    rows = batch["rgb"][0, : len(expected["rgb"])]
    assert means == pytest.approx(
        (rows.astype(float) * 4 / 255 + 4 / 512 - 2).mean(axis=0), abs=1e-5
    )


def test_finished_videos_are_not_looked_at_again(store, words, extracted, folder):
    before = {path: path.stat().st_mtime_ns for path in (folder / "mine/features").iterdir()}
    shard = next((folder / "mine/frame/train").iterdir()).read_bytes()
    again = store.done("extract", *words)
    assert (again["reused"], again["videos"]) == (3 * EACH + 1, 3 * EACH + 1)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert next((folder / "mine/frame/train").iterdir()).read_bytes() == shard


@pytest.mark.parametrize(
    ("more", "status", "words_of_it"),
    [
        (("bad_videos=stop",), 1, "0 bytes"),
        (("max_frames=7",), 2, "made with other max_frames"),
        (("weights=/nowhere",), 2, "yt8m download partition=extractor"),
        (("videos=/nowhere.csv",), 2, "There is no table"),
    ],
)
def test_what_stops_it_is_one_sentence(store, words, extracted, more, status, words_of_it):
    outcome = store.run("extract", *words, *more)
    assert outcome.status == status
    assert words_of_it in outcome.sentence


@pytest.fixture(scope="module")
def own_model(store, extracted, folder):
    """A model of the made-up classes, registered as `shapes` and promoted."""
    own = ("data=own_frame", f"data.folder={folder}/mine", QUIET, "batch_size=8")
    trained = store.done("train", *own, "epochs=60", "register=shapes", "learning_rate=0.05")
    shards = f"shards={folder}/mine/frame/validate"
    promoted = store.done("promote", "name=shapes", "version=1", shards, "policy.minimum_gap=0.5")
    assert promoted["promoted"], promoted
    return trained


def test_the_model_of_own_videos_that_is_served_tells_them_apart(
    store, own_model, folder, monkeypatch
):
    import mlflow
    import pandas as pd

    assert own_model["hit_at_1"] == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    mlflow.set_tracking_uri(store.uri)
    model = mlflow.pyfunc.load_model("models:/shapes@champion")
    found = read(folder / "mine", "frame", "validate")
    batch = found.batch(np.arange(len(found.ids)))
    columns = (batch[name] for name in ("id", "rgb", "audio", "frames"))
    rows = [
        {"id": video.decode(), "rgb": rgb[:n].tobytes(), "audio": audio[:n].tobytes()}
        for video, rgb, audio, n in zip(*columns, strict=True)
    ]
    answer = model.predict(pd.DataFrame(rows), params={"top_k": 1})
    for name, (label,) in zip(answer["id"], answer["class_names"], strict=True):
        assert label == name.split("-")[0]


def test_videos_are_labelled_with_the_moments_that_speak_for_it(store, own_model, folder, words):
    given = [word for word in words if not word.startswith("validate_share")]
    result = store.done("tag", *given, "model_uri=models:/shapes@champion", "top_k=2")
    assert (result["videos"], result["failed"]) == (3 * EACH + 1, 1)
    for video in json.loads(Path(result["tags"]).read_text())["videos"]:
        first, second = video["labels"]
        assert first["probability"] >= second["probability"]
        assert first["name"] == video["id"].split("-")[0] or video["id"] == "silent"
        assert [moment["second"] for moment in first["moments"]] == [0]  # it has two seconds
    page = Path(result["page"]).read_text()
    assert page.count("data:image/jpeg;base64,") == 2 * (3 * EACH + 1)


def test_the_check_tells_that_a_step_is_off(store, extracted, folder):
    """The networks have made-up weights, whose outputs the made-up PCA does not fit."""
    shards = f"shards=[{folder}/mine/frame/train,{folder}/mine/frame/validate]"
    words = ("features=true", "classes=3", f"tracking.runs={folder}/runs", QUIET)
    outcome = store.run("check", shards, *words, "require=true")
    assert outcome.status == 1, outcome.err
    assert "Steps of the extraction" in outcome.err
    result = json.loads(outcome.out.splitlines()[-1])
    assert result["steps_off"]
    assert "Steps of the extraction" in store.text(result["run_id"], "report.html")

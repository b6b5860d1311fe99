import json

import mlflow
import numpy as np
import pandas as pd
import pytest

from tests.checkpoints import GOLDEN, golden_weights, write_checkpoint
from tests.verbs import SCORED
from yt8m_exp import spec
from yt8m_exp.training.starter.starter_checkpoints import load

QUICK = "tracking.system_metrics=false"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("starter") / "model.ckpt-1000"
    write_checkpoint(prefix, golden_weights("moe2"))
    return prefix


@pytest.fixture(scope="module")
def imported(store, checkpoint):
    words = (f"checkpoint={checkpoint}", "kind=moe", "features={mean_rgb: 10}", "register=starter")
    return store.done("import_checkpoint", *words, QUICK)


def test_the_registered_model_predicts_as_the_starter_code(store, imported):
    assert (imported["registered"], imported["version"]) == ("starter", 1)
    model = mlflow.pyfunc.load_model(str(store.model(imported["model_uri"])))
    golden = np.load(GOLDEN / "moe2.head.npz")
    answers = model.predict(pd.DataFrame({"mean_rgb": list(golden["input_raw"])}))
    for row, ids, scores in zip(
        golden["infer_predictions"], answers["class_ids"], answers["probabilities"], strict=True
    ):
        assert sorted(ids) == list(range(7))
        np.testing.assert_allclose(scores, row[ids], atol=1e-5)


def test_the_run_tells_where_the_model_comes_from(store, imported, checkpoint):
    run = store.get(imported["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.tags["verb"] == "import_checkpoint"
    assert run.data.params["cfg.checkpoint"] == str(checkpoint)
    facts = json.loads((store.model(imported["model_uri"]) / "artifacts/about.json").read_text())
    assert facts == {"run_id": run.info.run_id, "examples": 0, "checkpoint": str(checkpoint)}


def test_an_imported_model_of_frames_is_served(store, tmp_path):
    write_checkpoint(tmp_path / "model.ckpt-9", golden_weights("lstm2"))
    words = (f"checkpoint={tmp_path}/model.ckpt-9", "kind=lstm", "features={rgb: 10}")
    model_uri = store.done("import_checkpoint", *words, QUICK)["model_uri"]
    model = mlflow.pyfunc.load_model(str(store.model(model_uri)))
    rng = np.random.default_rng(0)
    videos = [rng.integers(0, 256, (frames, 10), np.uint8) for frames in (8, 3)]
    answers = model.predict(pd.DataFrame({"rgb": [video.tobytes() for video in videos]}))
    direct = load(tmp_path / "model.ckpt-9", "lstm", features={"rgb": 10})
    for video, ids, scores in zip(
        videos, answers["class_ids"], answers["probabilities"], strict=True
    ):
        expected = direct({"rgb": video[None], "frames": np.array([len(video)], np.int32)})
        np.testing.assert_allclose(scores, np.asarray(expected)[0, ids], atol=1e-6)


def test_a_checkpoint_that_does_not_fit_is_bad_input(store, checkpoint):
    outcome = store.run("import_checkpoint", f"checkpoint={checkpoint}", "kind=logistic", QUICK)
    assert (outcome.status, outcome.out) == (2, "")
    assert "does not fit `logistic`" in outcome.sentence
    outcome = store.run("import_checkpoint", "checkpoint=nowhere/model.ckpt", "kind=moe", QUICK)
    assert outcome.status == 2
    assert "No checkpoint at 'nowhere/model.ckpt'." in outcome.sentence
    outcome = store.run("import_checkpoint", "kind=moe", QUICK)
    assert outcome.status == 2
    assert "checkpoint must be given" in outcome.sentence


@pytest.fixture(scope="module")
def ordered(store, trained, tmp_path_factory):
    """A checkpoint of the trained model's weights, with the rows of its sound first."""
    import keras

    model = keras.saving.load_model(next(store.model(trained["model_uri"]).rglob("*.keras")))
    kernel, bias = (weight.numpy() for weight in model.get_layer("classifier").weights)
    prefix = tmp_path_factory.mktemp("ordered") / "model.ckpt-1"
    kernel = np.concatenate([kernel[spec.RGB :], kernel[: spec.RGB]])
    names = ("tower/fully_connected/weights", "tower/fully_connected/biases")
    write_checkpoint(prefix, dict(zip(names, (kernel, bias), strict=True)))
    return prefix


def test_shards_tell_a_wrong_order_of_features(store, trained, ordered):
    words = (f"checkpoint={ordered}", "kind=logistic", f"shards={SCORED}", QUICK)
    words += ("options={normalize: part_unwhiten_unit}",)  # as the model was trained
    outcome = store.run("import_checkpoint", *words)
    assert (outcome.status, outcome.out) == (2, "")
    assert "mean_rgb (1024), mean_audio (128), assumed from their size" in outcome.err
    assert "Give features={mean_audio: 128, mean_rgb: 1024}." in outcome.sentence
    right = store.done("import_checkpoint", *words, "features={mean_audio: 128, mean_rgb: 1024}")
    scored = store.done("eval", f"model_uri={trained['model_uri']}", f"shards={SCORED}", QUICK)
    assert right["gap"] == pytest.approx(scored["gap"], abs=1e-6)
    assert store.get(right["run_id"]).data.metrics["val/gap"] == right["gap"]

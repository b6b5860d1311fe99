"""The same answers from every door, and a server that no request brings down."""

import json
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.servers import records_request, serving
from tests.made_segments import frame_records
from tests.serving.hostile import hostile
from tests.verbs import PROJECT, record, sample_records
from yt8m_exp import spec
from yt8m_exp.data import shards
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.evaluation.scoring import best, predictor
from yt8m_exp.serving import exports
from yt8m_exp.serving.predictions import read_predictions

SHARDS = sorted(
    str(path.relative_to(PROJECT)) for path in (PROJECT / "sample" / "video").rglob("*.tfrecord")
)[:4]
VIDEOS = 1000


@pytest.fixture(scope="module")
def server(store, trained, tmp_path_factory):
    with serving("models:/tagger/1", store.uri, tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    found = [record for path in SHARDS for record in sample_records(path)]
    assert len(found) >= VIDEOS
    return found[:VIDEOS]


@pytest.fixture(scope="module")
def expected(store, trained, records):
    """The answers of the model that training kept, straight from Keras: ids, classes and scores."""
    model = keras.saving.load_model(store.runs / trained["run_id"] / "checkpoints" / "best.keras")
    from yt8m_exp.serving import tagger

    predict = predictor(model)
    manifest = shards.scan([str(PROJECT / path) for path in SHARDS], tagger.schema(model))
    batches = list(ordered_batches(manifest, 512))
    found = [best(batch, predict(batch), spec.TOP_K) for batch in batches]
    ids = [video.decode() for batch in batches for video in batch["id"]][:VIDEOS]
    class_ids, scores = (
        np.concatenate([getattr(one, name) for one in found])[:VIDEOS]
        for name in ("class_ids", "scores")
    )
    return ids, class_ids, scores


def compare(expected, ids, class_ids, scores, tolerance=1e-6):
    assert list(ids) == expected[0]
    np.testing.assert_allclose(scores, expected[2], rtol=0, atol=tolerance)
    same = np.array(class_ids) == expected[1]
    gaps = np.abs(np.diff(expected[2], axis=1))
    tied = np.pad(gaps < 2e-6, ((0, 0), (1, 0))) | np.pad(gaps < 2e-6, ((0, 0), (0, 1)))
    assert (same | tied).all()  # classes of equal scores may change places
    assert [set(row) for row in class_ids] == [set(row) for row in expected[1].tolist()]


def test_the_logged_model_answers_as_the_model_in_training(expected, tagger, records):
    import pandas as pd

    answers = tagger.predict(pd.DataFrame({"record": records}))
    compare(
        expected, answers["id"], answers["class_ids"].tolist(), answers["probabilities"].tolist()
    )


def test_the_server_answers_as_the_model_in_training(expected, server, records):
    rows = []
    for start in range(0, VIDEOS, 250):
        status, answer = server.ask(records_request(records[start : start + 250]))
        assert status == 200, answer
        rows += answer["predictions"]
    assert {row["model"] for row in rows} == {"tagger/1"}
    columns = ([row[name] for row in rows] for name in ("id", "class_ids", "probabilities"))
    compare(expected, *columns)


def test_the_saved_model_answers_as_the_model_in_training(expected, tagger, records, tmp_path):
    own = tagger.unwrap_python_model()
    exports.export(own.model, own.schema, tmp_path, form="starter_code")
    serve = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    given = serve(example_bytes=tf.constant(records))
    ids = [video.decode() for video in given["video_id"].numpy()]
    compare(expected, ids, given["class_indexes"].numpy().tolist(), given["predictions"].numpy())


def test_the_predictions_file_holds_the_answers_of_the_model_in_training(
    expected, store, trained, tmp_path
):
    words = (f"shards=[{','.join(SHARDS)}]", f"output={tmp_path}/out.csv")
    store.done("inference", "model_uri=models:/tagger/1", *words, "tracking.system_metrics=false")
    found = list(read_predictions(tmp_path / "out.csv"))[:VIDEOS]
    columns = zip(*found, strict=True)
    ids, class_ids, scores = columns
    compare(expected, ids, [row.tolist() for row in class_ids], np.array(scores))  # 6 digits


def test_parameters_reach_the_model(server, expected, records):
    status, answer = server.ask(records_request(records[:3], top_k=3))
    assert status == 200
    assert [len(row["class_ids"]) for row in answer["predictions"]] == [3, 3, 3]
    every = expected[2][:50]
    middle = float(np.median(every))
    status, answer = server.ask(records_request(records[:50], threshold=middle))
    scores = [score for row in answer["predictions"] for score in row["probabilities"]]
    assert min(scores) >= middle
    assert len(scores) == pytest.approx(every.size / 2, abs=2)


def features(**change):
    row = {"mean_rgb": [0.1] * spec.RGB, "mean_audio": [0.1] * spec.AUDIO} | change
    return {"dataframe_records": [{"mean_rgb": [0.0] * 1024, "mean_audio": [0.0] * 128}, row]}


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (features(mean_rgb=[0.1] * 7), "Row 1, column `mean_rgb`: expected 1024 finite numbers"),
        (features(mean_audio=[float("nan")] * 128), "Row 1, column `mean_audio`: expected 128"),
        (records_request([record("a"), b"nonsense"]), "Row 1, column `record`: expected"),
        (records_request([record("a")], top_k=0), "`top_k >= 1` must hold, but got top_k=0"),
        (records_request([record("a")], threshold=7), "`0 <= threshold <= 1` must hold"),
        ({"dataframe_records": [{"mean_rgb": [0.1] * 1024}]}, "['mean_audio'] are missing"),
    ],
)
def test_a_bad_row_is_told_by_row_and_column_without_a_stack_trace(server, request_, sentence):
    status, answer = server.ask(request_)
    assert status == 400
    assert sentence in answer["message"]
    assert "Traceback" not in json.dumps(answer)
    assert ".py" not in json.dumps(answer)


@pytest.fixture(params=["video", "frame"])
def attacked(request, store, records, tmp_path):
    """A server, and a record that it answers."""
    if request.param == "video":
        yield request.getfixturevalue("server"), records[0]
        return
    request.getfixturevalue("framed")
    with serving("models:/framed/1", store.uri, tmp_path) as server:
        yield server, next(iter(frame_records().values()))


def test_no_request_brings_the_server_down_or_makes_it_load_code(attacked, tmp_path):
    server, record = attacked
    trap = tmp_path / "opened"
    before = server.ask(records_request([record]))
    assert before[0] == 200
    for number, sent in enumerate(hostile(random.Random(0), record, str(trap))):
        status, answer = server.post(*sent)
        assert 200 <= status < 600, (number, answer)
    assert server.lives()
    assert server.ask(records_request([record])) == before
    assert not trap.exists()
    assert server.process.poll() is None

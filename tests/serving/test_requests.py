import base64
import socket
import threading

import numpy as np
import pandas as pd
import pytest
import requests

from tests.data.examples import FRAME_SCHEMA, frame_video, text
from tests.made_segments import frame_records
from yt8m_exp import spec
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.shards import scan
from yt8m_exp.serving.requests import batch

SAMPLE = "sample/frame/validate/*.tfrecord"
SIZES = {"rgb": spec.RGB, "audio": spec.AUDIO}
WAYS = {
    "nested lists": lambda frames: frames.tolist(),
    "a list of arrays": list,
    "floats": lambda frames: frames.astype(np.float64),
    "bytes": lambda frames: frames.tobytes(),
    "base64": lambda frames: base64.b64encode(frames.tobytes()).decode(),
}


@pytest.fixture(scope="module")
def tagger(load_model, framed):
    return load_model(framed)


@pytest.fixture(scope="module")
def videos(tagger):
    """The sample's videos, an array of bytes (T, D) a value."""
    [batch] = ordered_batches(scan(SAMPLE, tagger.unwrap_python_model().schema))
    features = {
        name: [rows[:count] for rows, count in zip(batch[name], batch["frames"], strict=True)]
        for name in SIZES
    }
    return pd.DataFrame({"id": [name.decode() for name in batch["id"]], **features})


@pytest.fixture(scope="module")
def served(tagger):
    """MLflow's own server of the model; takes rows as JSON, returns its status and answer."""
    import uvicorn
    from mlflow.pyfunc import scoring_server

    server = uvicorn.Server(uvicorn.Config(scoring_server.init(tagger), log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # requests wait until it serves
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/invocations"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()

        def post(rows):
            answer = requests.post(address, json={"dataframe_records": rows}, timeout=60)
            return answer.status_code, answer.json()

        yield post
        server.should_exit = True
        thread.join()


def scores(answers):
    return np.array(answers["probabilities"].tolist())


def changed(videos, **values):
    """The first three videos, where row 1 holds other values."""
    rows = videos[:3].copy()
    for name, value in values.items():
        rows.at[1, name] = value
    return rows


@pytest.fixture(scope="module")
def answers(tagger, videos):
    return tagger.predict(videos)


def test_answers_are_probabilities_of_the_named_videos(videos, answers):
    assert answers["id"].tolist() == videos["id"].tolist()
    assert scores(answers).shape == (7, spec.TOP_K)
    assert ((scores(answers) > 0) & (scores(answers) < 1)).all()
    assert scores(answers)[:, 0].std() > 1e-4
    assert (np.diff(scores(answers)) <= 0).all()


@pytest.mark.parametrize("way", WAYS)
def test_frames_may_be_sent_in_many_ways(tagger, videos, answers, way):
    sent = videos.assign(**{name: [WAYS[way](value) for value in videos[name]] for name in SIZES})
    pd.testing.assert_frame_equal(tagger.predict(sent), answers)


def test_ways_may_be_mixed(tagger, videos, answers):
    turn = list(WAYS.values())
    mixed = {
        name: [turn[(row + shift) % len(turn)](value) for row, value in enumerate(videos[name])]
        for shift, name in enumerate(SIZES)
    }
    pd.testing.assert_frame_equal(tagger.predict(videos.assign(**mixed)), answers)


def test_serialized_records_get_the_answers_of_their_frames(tagger, answers):
    records = frame_records()
    given = tagger.predict(pd.DataFrame({"record": [records[name] for name in answers["id"]]}))
    pd.testing.assert_frame_equal(given, answers)


@pytest.mark.parametrize("way", ["nested lists", "base64", "records"])
def test_a_server_gives_the_same_answers(served, videos, answers, way):
    if way == "records":
        records = frame_records()
        rows = [{"record": base64.b64encode(records[name]).decode()} for name in videos["id"]]
    else:
        sent = {name: [WAYS[way](value) for value in videos[name]] for name in SIZES}
        rows = videos.assign(**sent).to_dict("records")
    status, answer = served(rows)
    assert status == 200
    pd.testing.assert_frame_equal(pd.DataFrame(answer["predictions"]), answers)


def test_a_server_says_which_row_is_bad(served, videos):
    rows = [{"rgb": [[0] * 1024], "audio": [[0] * 128]}, {"rgb": [[0.5] * 1024], "audio": ""}]
    status, answer = served(rows)
    assert status == 400
    assert "Row 1, column `rgb`: expected whole numbers in [0, 255]" in answer["message"]


def test_a_video_is_judged_by_itself(tagger, videos, answers):
    alone = pd.concat([tagger.predict(videos[row : row + 1]) for row in range(len(videos))])
    assert alone["id"].tolist() == answers["id"].tolist()
    np.testing.assert_allclose(scores(alone), scores(answers), atol=1e-6)


def test_frames_behind_the_limit_count_nothing(tagger, videos, answers):
    longer = videos[:3].copy()
    for name, size in SIZES.items():
        longer[name] = [
            np.pad(value, ((0, spec.MAX_FRAMES + 9 - len(value)), (0, 0)), mode="wrap")
            for value in longer[name]
        ]
        assert {value.shape for value in longer[name]} == {(spec.MAX_FRAMES + 9, size)}
    cut = longer.assign(**{n: [v[: spec.MAX_FRAMES] for v in longer[n]] for n in SIZES})
    assert not np.allclose(scores(tagger.predict(cut)), scores(answers)[:3])
    pd.testing.assert_frame_equal(tagger.predict(longer), tagger.predict(cut))


@pytest.mark.parametrize(
    "empty", [[], b"", "", np.zeros(0)], ids=["list", "bytes", "text", "array"]
)
def test_a_video_without_frames_gets_finite_answers(tagger, videos, answers, empty):
    given = scores(tagger.predict(changed(videos, rgb=empty, audio=empty)))
    assert np.isfinite(given).all()
    np.testing.assert_allclose(given[[0, 2]], scores(answers)[[0, 2]], atol=1e-6)


def test_only_videos_without_frames_get_finite_answers_too(tagger):
    nothing = pd.DataFrame({name: [b"", b""] for name in SIZES})
    assert np.isfinite(scores(tagger.predict(nothing))).all()


def test_a_record_whose_id_is_not_utf8_is_named_by_its_row():
    rows = pd.DataFrame({"record": [frame_video(1), frame_video(2, id=text(b"\xff"))]})
    with pytest.raises(ValueError, match="Row 1, column `record`: expected an id in UTF-8"):
        batch(rows, FRAME_SCHEMA)


def test_no_rows_get_no_answers(tagger, videos):
    assert len(tagger.predict(videos[:0])) == 0


def test_a_missing_column_is_named(tagger, videos):
    with pytest.raises(ValueError, match=r"but \['audio'\] are missing"):
        tagger.predict(videos.drop(columns="audio"))


FRAME = np.zeros((2, spec.AUDIO))
BAD = {
    "rows too narrow": (FRAME[:, 1:], r"an array \(T, 128\), but got \(2, 127\)"),
    "one row alone": (FRAME[0], r"an array \(T, 128\), but got \(128,\)"),
    "a row too short": ([[0] * 128, [0] * 127], "rows of 128 bytes, but got another type"),
    "above 255": (FRAME + 256, r"whole numbers in \[0, 255\]"),
    "below 0": (FRAME - 1, r"whole numbers in \[0, 255\]"),
    "dequantised": (FRAME + 0.5, "Dequantised frames are not what the model takes"),
    "nan": (FRAME * np.nan, r"whole numbers in \[0, 255\]"),
    "infinite": (FRAME + np.inf, r"whole numbers in \[0, 255\]"),
    "half a frame": (bytes(192), "frames of 128 bytes, but got 192 bytes in all"),
    "no base64": ("a video", "expected frames in base64"),
    "base64 cut off": (base64.b64encode(bytes(128)).decode()[:-3], "expected frames in base64"),
    "base64 with an accent": ("é", "expected frames in base64"),
    "nothing": (None, "but got another type"),
    "a number": (3.5, "but got another type"),
    "words": ([["a"] * 128], "but got another type"),
    "a frame without a value": ([[]], r"an array \(T, 128\), but got \(1, 0\)"),
    "a mapping": ({"frames": [[0] * 128]}, "but got another type"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_is_named_by_row_and_column(tagger, videos, case):
    value, problem = BAD[case]
    with pytest.raises(ValueError, match=f"Row 1, column `audio`: .*{problem}"):
        tagger.predict(changed(videos, audio=value))


def test_features_of_unequal_length_are_named_by_row(tagger, videos):
    wrong = changed(videos, audio=videos["audio"][1][:-1])
    frames = len(videos["rgb"][1])
    with pytest.raises(
        ValueError, match=f"Row 1: .* but got {frames} of `rgb`, {frames - 1} of `audio`"
    ):
        tagger.predict(wrong)


@pytest.mark.parametrize("bad", [b"nonsense", b"", frame_video(1)])
def test_a_bad_record_is_named_by_row(tagger, bad):
    rows = pd.DataFrame({"record": [*frame_records().values(), bad]})
    with pytest.raises(
        ValueError, match=r"Row 7, column `record`: expected .* frame-level shard\?"
    ):
        tagger.predict(rows)


@pytest.mark.parametrize("value", [None, "text", 3, ["a"]])
def test_what_is_no_record_at_all_is_named_by_row(tagger, value):
    rows = pd.DataFrame({"record": pd.Series([*frame_records().values(), value], dtype=object)})
    with pytest.raises(ValueError, match="Row 7, column `record`: expected the bytes of a"):
        tagger.predict(rows)

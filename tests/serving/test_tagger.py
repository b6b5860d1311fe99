import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.examples import floats
from tests.test_architecture import PACKAGE, files
from tests.verbs import PROJECT, SCORED, record
from yt8m_exp import spec
from yt8m_exp.serving import packaging
from yt8m_exp.serving.predictions import read_predictions

ELSEWHERE = """
import json, sys, mlflow, numpy as np, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
import yt8m_exp
print(yt8m_exp.__file__)
rows = pd.DataFrame({"mean_rgb": [np.zeros(1024)], "mean_audio": [np.zeros(128)]})
print(json.dumps(model.predict(rows, params={"top_k": 2})["class_ids"][0]))
"""

BESIDE = """
import sys
sys.path[:0] = sys.argv[1:]
from yt8m_exp import spec
from yt8m_exp.config import doors
print(spec.__file__, doors.__file__)
"""


def scores(answer: pd.DataFrame) -> np.ndarray:
    return np.array(answer["probabilities"].tolist())


def test_features_and_records_of_the_same_videos_get_the_same_answers(tagger, videos, serialized):
    by_features, by_record = tagger.predict(videos), tagger.predict(serialized)
    assert by_features["id"].tolist() == videos["id"].tolist()
    pd.testing.assert_frame_equal(by_features, by_record)


@pytest.mark.parametrize(
    "as_sent",
    [
        lambda array: array.tolist(),
        lambda array: array.astype(np.float32),
        lambda array: array.astype(np.float64),
    ],
    ids=["lists", "float32", "float64"],
)
def test_features_may_be_lists_or_arrays(tagger, videos, as_sent):
    sent = videos.assign(
        mean_rgb=[as_sent(value) for value in videos["mean_rgb"]],
        mean_audio=[as_sent(value) for value in videos["mean_audio"]],
    )
    pd.testing.assert_frame_equal(tagger.predict(sent), tagger.predict(videos))


def test_neither_the_order_of_columns_nor_of_rows_matters(tagger, videos):
    answers = tagger.predict(videos)
    turned = tagger.predict(videos[::-1][["mean_audio", "mean_rgb", "id"]])
    assert turned["id"].tolist() == answers["id"].tolist()[::-1]
    np.testing.assert_allclose(scores(turned)[::-1], scores(answers), rtol=1e-5)


def test_answers_are_the_best_classes_falling_with_their_names(tagger, videos):
    answers = tagger.predict(videos)
    assert scores(answers).shape == (10, spec.TOP_K)
    assert (np.diff(scores(answers)) <= 0).all()
    assert ((scores(answers) >= 0) & (scores(answers) <= 1)).all()
    names = tagger.unwrap_python_model().names
    for ids, given in zip(answers["class_ids"], answers["class_names"], strict=True):
        assert len(set(ids)) == spec.TOP_K
        assert given == [names[class_id] for class_id in ids]
    assert names[0] == "Game"


def test_top_k_is_a_parameter(tagger, videos):
    three = tagger.predict(videos, params={"top_k": 3})
    np.testing.assert_array_equal(scores(three), scores(tagger.predict(videos))[:, :3])
    everything = tagger.predict(videos[:1], params={"top_k": 10**6})
    assert len(everything["class_ids"][0]) == spec.CLASSES
    with pytest.raises(ValueError, match="`top_k >= 1` must hold, but got top_k=0"):
        tagger.predict(videos, params={"top_k": 0})
    as_usual = tagger.predict(videos, params={"top_k": None, "threshold": None})
    pd.testing.assert_frame_equal(as_usual, tagger.predict(videos))


def test_rows_without_ids_are_numbered(tagger, videos):
    answers = tagger.predict(videos.drop(columns="id"))
    assert answers["id"].tolist() == [str(row) for row in range(10)]


def test_no_rows_get_no_answers(tagger, videos, serialized):
    assert len(tagger.predict(serialized[:0])) == 0
    assert len(tagger.predict(videos[:0])) == 0


def test_a_missing_column_is_named(tagger, videos):
    with pytest.raises(ValueError, match=r"but \['mean_audio'\] are missing"):
        tagger.predict(videos.drop(columns="mean_audio"))


def test_a_value_of_the_wrong_size_is_named_by_row_and_column(tagger, videos):
    wrong = videos.copy()
    wrong.at[4, "mean_rgb"] = np.zeros(7, np.float32)
    with pytest.raises(ValueError, match="Row 4, column `mean_rgb`: expected 1024 finite numbers"):
        tagger.predict(wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_named_by_row_and_column(tagger, videos, value):
    wrong = videos.copy()
    audio = wrong.at[2, "mean_audio"].copy()
    audio[5] = value
    wrong.at[2, "mean_audio"] = audio
    with pytest.raises(ValueError, match="Row 2, column `mean_audio`: expected 128 finite numbers"):
        tagger.predict(wrong)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"nonsense", "expected `mean_rgb` of 1024 floats"),
        (b"", "expected `mean_rgb` of 1024 floats"),
        (record("x", mean_audio=floats([1.0])), "expected `mean_audio` of 128 floats, but got 1"),
    ],
)
def test_a_bad_record_is_named_by_row_and_column(tagger, serialized, bad, problem):
    rows = pd.DataFrame({"record": [*serialized["record"], bad]})
    with pytest.raises(ValueError, match=f"Row 10, column `record`: {problem}"):
        tagger.predict(rows)


def test_a_record_that_holds_nan_is_named_by_row_and_column(tagger):
    audio = floats([float("nan")] * spec.AUDIO)
    rows = pd.DataFrame({"record": [record("a"), record("b", mean_audio=audio)]})
    with pytest.raises(ValueError, match="Row 1, column `record`: expected `mean_audio` of finite"):
        tagger.predict(rows)


def test_the_predictions_file_holds_what_the_model_answers(store, tagger, serialized, tmp_path):
    words = ("model_uri=models:/tagger/1", f"shards={SCORED}", f"output={tmp_path}/out.csv")
    store.done("inference", *words, "tracking.system_metrics=false")
    lines = list(read_predictions(tmp_path / "out.csv"))[:10]
    answers = tagger.predict(serialized)
    assert [video for video, _, _ in lines] == answers["id"].tolist()
    np.testing.assert_allclose([line[2] for line in lines], scores(answers), rtol=2e-5)
    for (_, ids, _), ours in zip(lines, answers["class_ids"], strict=True):
        assert ids.tolist() == ours


def test_a_model_works_without_the_project_from_its_folder_alone(model_folder, tmp_path):
    folder = tmp_path / "moved"
    shutil.copytree(model_folder, folder)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(folder)],
        cwd=tmp_path,
        env={**environment, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    package, answer = done.stdout.splitlines()[-2:]
    assert package.startswith(str(folder / "code"))
    assert len(answer.split(",")) == 2
    assert not list(folder.rglob("*.pkl"))


def test_the_project_is_whole_beside_the_part_that_a_model_includes(model_folder, tmp_path):
    folders = [model_folder / "code", PROJECT]
    done = subprocess.run(
        [sys.executable, "-c", BESIDE, *map(str, folders)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    for path, folder in zip(done.stdout.split(), folders, strict=True):
        assert Path(path).is_relative_to(folder)


def test_a_model_includes_the_code_that_it_needs_and_nothing_else(model_folder):
    included = [PACKAGE / name for name in packaging.CODE]
    begin = [PACKAGE / "__init__.py", PACKAGE / "serving" / "pyfunc.py"]
    needed = {*begin, *(PACKAGE / "models").rglob("*.py")}
    while more := {file for path in needed for file in files(path)} - needed:
        needed |= more
    assert not [path for path in needed if not any(map(path.is_relative_to, included))]
    assert not [part for part in included if not any(path.is_relative_to(part) for path in needed)]
    code = model_folder / "code" / PACKAGE.name
    assert {path.name for path in code.iterdir()} - {"__pycache__"} == set(packaging.CODE)

import json

import pytest

from yt8m_exp.serving.predictions import read_predictions


def line(video, **other) -> str:
    found = {"video_id": video, "class_indexes": [5, 2, 9], "predictions": [0.1, 0.7, 0.2]}
    return json.dumps(found | other) + "\n"


@pytest.fixture
def results(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "0").write_text(line("a") + line("b,c"))
    (tmp_path / "results" / "1").write_text(
        line("a") + line("d", class_indexes=[1], predictions=[1])
    )
    return tmp_path / "results"


def test_files_of_a_job_become_the_competitions_file(store, results, tmp_path):
    words = (f"predictions={results}", f"output={tmp_path}/out.csv", "top_k=2")
    result = store.done("json_to_csv", *words)
    assert result == {"output": f"{tmp_path}/out.csv", "videos": 3, "repeated": 1}
    found = [(v, c.tolist(), s.tolist()) for v, c, s in read_predictions(tmp_path / "out.csv")]
    assert [(video, ids) for video, ids, _ in found] == [("a", [2, 9]), ("b,c", [2, 9]), ("d", [1])]


def test_a_line_of_another_kind_stops_it_and_leaves_no_file(store, results, tmp_path):
    (results / "2").write_text('{"error": "no such model"}\n')
    outcome = store.run("json_to_csv", f"predictions={results}", f"output={tmp_path}/out.csv")
    assert outcome.status == 2
    assert "results/2, line 1: expected a JSON object" in outcome.sentence
    assert not (tmp_path / "out.csv").exists()


def test_what_is_not_there_is_named(store, tmp_path):
    outcome = store.run("json_to_csv", f"predictions={tmp_path}/none*", f"output={tmp_path}/o.csv")
    assert outcome.status == 2
    assert "No file matches" in outcome.sentence

import numpy as np
import pytest

from tests.verbs import PROJECT, SCORED, SMALL
from yt8m_exp.config import compose
from yt8m_exp.evaluation import metrics
from yt8m_exp.evaluation.metrics import Evaluation, Metric
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.evaluation.segments import SegmentMetrics
from yt8m_exp.jobs import train

RECALL = Metric(
    "recall_at_20",
    "Recall@20",
    "Share of the labels that are among the 20 best predictions of their video.",
    lambda ranked: ranked.hits_at.sum() / ranked.positives.sum(),
)


@pytest.fixture
def found():
    """Two videos of four classes: three labels, two of them predicted."""
    ranking = Ranking(4, top_k=2)
    scores, class_ids = [[0.9, 0.8, 0.3], [0.7, 0.6, 0.5]], [[0, 1, 2], [2, 0, 3]]
    ranking.update(scores, class_ids, [[0, -1], [3, 0]])
    return Evaluation(ranking.result(), loss=2.5)


def test_a_metric_is_computed_from_what_a_pass_gathered(found):
    values = metrics.values(found)
    assert values["gap"] == pytest.approx((1 + 2 / 4) / 3)
    assert values["map"] == pytest.approx((1 + 0) / 2)
    assert values["map_2017"] == pytest.approx((1 + 0) / 4)
    assert values["loss"] == 2.5
    assert metrics.values(found, [RECALL]) == {"recall_at_20": pytest.approx(2 / 3)}


def test_what_was_not_measured_is_left_out_and_what_has_no_number_is_none(found):
    assert {"loss", "segment_map"}.isdisjoint(metrics.values(Evaluation(found.ranked)))
    nothing = Ranking(4)
    nothing.update([[0.5, 0.4, 0.3, 0.2]], [[0, 1, 2, 3]], [[-1]])
    values = metrics.values(Evaluation(nothing.result(), segments=SegmentMetrics({})))
    assert values["map"] is None
    assert values["segment_map"] is None
    assert "val/map" not in metrics.logged(values)
    assert metrics.shown(values)["map"] == "no positives"


def test_the_first_n_of_a_class_have_a_metric_of_their_own(found):
    ranking = Ranking(1)
    scores = np.array([[0.9], [0.8], [0.7]], np.float32)
    ranking.update(scores, np.zeros((3, 1), int), [[0], [-1], [0]])
    cut = Evaluation(ranking.result(top_n=[1, 3]))
    values = metrics.values(cut, [metrics.map_at(1), metrics.map_at(3)])
    assert values == {"map_at_1": 1.0, "map_at_3": pytest.approx((1 + 2 / 3) / 2)}


def test_one_number_has_one_name():
    assert metrics.GAP.name == "val/gap"
    assert metrics.logged({"gap": 0.5}, whose=metrics.BEST) == {"best/val/gap": 0.5}
    assert len({metric.key for metric in metrics.TABLE}) == len(metrics.TABLE)


def test_the_documentation_lists_the_metrics_as_they_are_declared():
    text = (PROJECT / "docs" / "metrics.md").read_text()
    rows = [
        f"| `{m.key}` | {m.title} | {m.meaning} | {'higher' if m.higher_is_better else 'lower'} |"
        for m in metrics.TABLE
    ]
    assert "\n".join(rows) in text, "\n".join(["docs/metrics.md must list:", *rows])
    assert text.count("| `") == len(rows)


def test_an_added_metric_is_in_a_run_its_description_and_a_version(
    client, store, monkeypatch, tmp_path
):
    monkeypatch.setattr(metrics, "TABLE", (*metrics.TABLE, RECALL))
    monkeypatch.chdir(PROJECT)
    words = [*SMALL, "epochs=1", "deterministic=false", "register=recalled"]
    words += [f"data.validate={SCORED}", f"tracking.runs={tmp_path}"]
    result = train.run(compose.compose("train", words)).result
    recall = result["recall_at_20"]
    assert 0 < recall < 1
    run = store.get(result["run_id"])
    assert run.data.metrics["val/recall_at_20"] == pytest.approx(recall)
    assert run.data.metrics["best/val/recall_at_20"] == recall
    assert "Recall@20 |" in run.data.tags["mlflow.note.content"]
    assert f"| {recall:.4f} |" in run.data.tags["mlflow.note.content"]
    model = client.get_logged_model(result["model_uri"].removeprefix("models:/"))
    assert recall in [m.value for m in model.metrics if m.key == "best/val/recall_at_20"]
    tags = client.get_model_version("recalled", "1").tags
    assert float(tags["val/recall_at_20"]) == recall

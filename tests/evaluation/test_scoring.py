import keras
import numpy as np
import pytest

from tests.models import configured
from yt8m_exp.evaluation.metrics import Evaluation, values
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.evaluation.scoring import best, evaluate, predictor
from yt8m_exp.training.loss_values import value_of
from yt8m_exp.training.losses import cross_entropy

CLASSES = 30


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return configured.build("logistic", {"x": 8}, CLASSES, "normalize=each")


def segments(count=20, seed=0):
    rng = np.random.default_rng(seed)
    rated = rng.integers(-1, CLASSES, (count, 5)).astype(np.int32)  # some twice, some padding
    return {
        "x": rng.normal(size=(count, 8)).astype(np.float32),
        "rated": rated,
        "labels": np.where(rng.random(rated.shape) < 0.4, rated, -1).astype(np.int32),
    }


def test_of_a_rated_segment_exactly_the_rated_classes_are_predicted(model):
    batch = segments()
    predictions = np.asarray(model({"x": batch["x"]}))
    found = best(batch, predictor(model)(batch), 1)
    assert found.scores.shape == found.class_ids.shape == (20, 5)
    assert (np.diff(found.scores) <= 0).all()
    for row, scores, class_ids, rated in zip(
        predictions, found.scores, found.class_ids, batch["rated"], strict=True
    ):
        known = class_ids >= 0
        assert (np.sort(class_ids[known]) == np.unique(rated[rated >= 0])).all()
        np.testing.assert_allclose(scores[known], row[class_ids[known]], rtol=1e-6)
        assert (scores[~known] == 0).all()


def test_of_equal_scores_the_lower_class_comes_first():
    model = configured.build("logistic", {"x": 8}, CLASSES, "normalize=each")
    model.set_weights([np.zeros((8, CLASSES), "f"), np.zeros(CLASSES, "f")])
    batch = {"x": np.ones((1, 8), "f"), "rated": np.array([[9, -1, 2, 5, 9]], np.int32)}
    found = best(batch, predictor(model)(batch), 1)
    assert found.class_ids.tolist() == [[2, 5, 9, -1, -1]]


def test_a_pass_over_rated_segments_scores_rated_pairs(model):
    batch = segments()
    halves = [{key: rows[part] for key, rows in batch.items()} for part in (slice(8), slice(8, 20))]
    found_by_pass = evaluate(predictor(model), value_of(cross_entropy), halves, CLASSES)
    found = best(batch, predictor(model)(batch), 1)
    ranking = Ranking(CLASSES, top_k=None)
    ranking.update(found.scores, found.class_ids, batch["labels"])
    expected = Evaluation(ranking.result(), found_by_pass.loss)
    assert values(found_by_pass) == pytest.approx(values(expected))
    predictions = np.asarray(model({"x": batch["x"]}))
    expected = cross_entropy(batch["labels"], predictions, rated=batch["rated"])
    assert found_by_pass.loss == pytest.approx(float(expected), rel=1e-6)


def test_a_pass_over_videos_scores_all_classes(model):
    batch = {key: rows for key, rows in segments().items() if key != "rated"}
    found_by_pass = evaluate(predictor(model), value_of(cross_entropy), [batch], CLASSES)
    predictions = np.asarray(model({"x": batch["x"]}))
    assert found_by_pass.loss == pytest.approx(
        float(cross_entropy(batch["labels"], predictions)), rel=1e-6
    )
    found = best(batch, predictor(model)(batch), 3)
    assert found.scores.shape == (20, 3)
    ranking = Ranking(CLASSES)
    every = best(batch, predictor(model)(batch), CLASSES)
    ranking.update(every.scores, every.class_ids, batch["labels"])
    expected = Evaluation(ranking.result(), found_by_pass.loss)
    assert values(found_by_pass) == pytest.approx(values(expected))

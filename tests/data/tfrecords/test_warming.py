import numba
import numpy as np
import pytest

from tests.data.examples import FRAME_SCHEMA, frame_video
from tests.data.test_shards import written
from tests.models import configured
from yt8m_exp.data import pipeline, shards
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.means import Means
from yt8m_exp.data.tfrecords import compiled, warming
from yt8m_exp.evaluation import scoring, top_k
from yt8m_exp.serving import lines, predictions
from yt8m_exp.training import loss_values
from yt8m_exp.training.losses import cross_entropy

OWNERS = (top_k, loss_values, lines)


@pytest.mark.slow
def test_nothing_is_left_to_be_compiled_by_real_work(tmp_path):
    """A type of array that `calls` has not would be compiled within a measured span."""
    calls = [*compiled.calls("frame")]
    calls += [call for owner in OWNERS for call in owner.calls()]
    warming.warm(calls)
    loops = {loop for loop, _ in calls}
    before = {loop: list(loop.signatures) for loop in loops}

    path = written(tmp_path / "a.tfrecord", *(frame_video(number) for number in range(5)))
    manifest = shards.scan(str(path), FRAME_SCHEMA)
    for means in (None, Means("joint", 7)):
        found = Manifest(manifest.source, manifest.shards, manifest.schema, means)
        assert list(pipeline.ordered_batches(found, 2))
        next(pipeline.training_batches(found, 2, pipeline.Shuffle(0)))
    model = configured.build("logistic", {"x": 3}, 20, "normalize=each")
    batch = {"x": np.ones((2, 3), np.float32), "labels": np.array([[1], [3]], np.int32)}
    scored = scoring.predictor(model)(batch)
    loss_values.value_of(cross_entropy)(labels=batch["labels"], predictions=scored)
    best = scoring.best(batch, scored, 5)
    scoring.best(batch, scoring.masked(scored, np.array([3])), 5)
    with predictions.PredictionsWriter(tmp_path / "out.csv") as file:
        file.write(["a", "b"], best.class_ids, best.scores)

    assert {loop: list(loop.signatures) for loop in loops} == before


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A loop whose cache is an empty folder."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def make():
        @numba.njit(cache=True)
        def double(x):
            return 2 * x

        return double

    return make


def test_compiling_is_said_once(fresh, said):
    warming.warm([(fresh(), (1,))])
    assert len(said) == 1
    assert said[0].startswith("Compiling 1 loops, once")
    warming.warm([(fresh(), (1,))])
    assert len(said) == 1

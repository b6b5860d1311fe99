import keras
import numpy as np
import pytest

from yt8m_exp.models.ensembles import neighbours
from yt8m_exp.models.ensembles.neighbours import Vote
from yt8m_exp.spec import InputError

CLASSES = 5
VOTE = Vote(k=3, temperature=0.06, prior=0.3, audio=0.5)


@pytest.fixture(scope="module")
def known():
    rng = np.random.default_rng(0)
    features = {"mean_rgb": rng.normal(size=(40, 6)), "mean_audio": rng.normal(size=(40, 3))}
    labels = np.sort(rng.integers(-1, CLASSES, (40, 2)), axis=1)
    labels[labels[:, 0] == labels[:, 1], 0] = -1
    return {name: x.astype(np.float32) for name, x in features.items()}, labels.astype(np.int32)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def by_hand(features, labels, videos):
    """Each video's votes, counted one by one."""

    def vectors(rows):
        return unit(np.hstack([unit(rows["mean_rgb"]), 0.5 * unit(rows["mean_audio"])]))

    votes = np.zeros((len(videos["mean_rgb"]), CLASSES))
    for row, cosines in enumerate(vectors(videos) @ vectors(features).T):
        nearest = np.argsort(-cosines)[:3]
        weights = np.exp((cosines[nearest] - cosines[nearest[0]]) / 0.06)
        for place, weight in zip(nearest, weights, strict=True):
            for label in labels[place][labels[place] >= 0]:
                votes[row, label] += weight
        votes[row] /= weights.sum() + 0.3
    return votes


def test_the_nearest_videos_vote(known):
    rng = np.random.default_rng(1)
    videos = {"mean_rgb": rng.normal(size=(9, 6)), "mean_audio": rng.normal(size=(9, 3))}
    model = neighbours.build(*known, CLASSES, vote=VOTE)
    # Vectors are kept in 127 steps, so that weights differ by a few hundredths.
    np.testing.assert_allclose(model(videos), by_hand(*known, videos), atol=0.05)


def test_a_known_video_is_its_own_nearest_neighbour(known):
    features, labels = known
    alone = Vote(k=1, temperature=0.06, prior=0.0, audio=0.5)
    votes = np.asarray(neighbours.build(features, labels, CLASSES, vote=alone)(features))
    for row, own in zip(votes, labels, strict=True):
        assert sorted(np.flatnonzero(row)) == sorted(own[own >= 0])


def test_it_is_saved_with_its_videos_as_bytes(known, tmp_path):
    features, labels = known
    many = {name: np.tile(rows, (500, 1)) for name, rows in features.items()}
    model = neighbours.build(many, np.tile(labels, (500, 1)), CLASSES, vote=VOTE)
    model.save(tmp_path / "model.keras")
    assert (tmp_path / "model.keras").stat().st_size < 20_000 * (9 + 4 + 2 * 4) + 50_000
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(features), model(features))
    assert not model.trainable_variables


def test_what_cannot_vote_is_refused(known):
    with pytest.raises(InputError, match="k=41 of 40"):
        neighbours.build(*known, CLASSES, vote=Vote(41, 0.06, 0.3, 0.5))
    with pytest.raises(InputError, match="`temperature > 0`"):
        Vote(3, 0.0, 0.3, 0.5)

from types import SimpleNamespace

import numpy as np
import pytest

from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.serving import moments
from yt8m_exp.spec import InputError

SIZES = {"rgb": 4, "audio": 2}


def tagger(schema):
    """A model whose first class is the share of bright rgb, and whose second is the rest."""

    def predict(batch):
        if schema.level == "video":
            bright = (batch["mean_rgb"].mean(axis=1) + 2) / 4
        else:
            counts = batch["frames"][:, None]
            bright = (batch["rgb"].mean(axis=2).sum(axis=1, keepdims=True) / counts / 255)[:, 0]
        return np.stack([bright, 1 - bright], axis=1).astype(np.float32)

    return SimpleNamespace(
        schema=schema, predictor=predict, names=np.array(["bright", "dark"], object)
    )


FRAME = Schema(SIZES, 2, "frame", 300)
VIDEO = Schema({f"mean_{name}": size for name, size in SIZES.items()}, 2)


@pytest.fixture
def features():
    """Twelve seconds of which the second five are bright, and the last two half so."""
    level = np.repeat([0, 255, 100], [5, 5, 2]).astype(np.uint8)
    return {name: np.repeat(level[:, None], size, axis=1) for name, size in SIZES.items()}


@pytest.mark.parametrize("schema", [FRAME, VIDEO], ids=["frame", "video"])
def test_the_seconds_that_speak_for_a_label_come_first(features, schema):
    first, second = moments.labels(tagger(schema), features, top_k=5, threshold=0)
    assert (first.name, second.name) == ("dark", "bright")
    assert first.probability == pytest.approx(1 - (5 * 255 + 2 * 100) / 12 / 255, abs=0.01)
    assert [moment.second for moment in first.moments] == [0, 10, 5]
    assert [moment.second for moment in second.moments] == [5, 10, 0]
    assert second.moments[0].probability == pytest.approx(1, abs=0.01)


def test_few_and_probable_labels_are_kept(features):
    model = tagger(FRAME)
    assert len(moments.labels(model, features, top_k=1, threshold=0)) == 1
    assert moments.labels(model, features, top_k=5, threshold=0.99) == []


def test_a_model_of_other_features_is_refused(features):
    model = tagger(Schema({"audio_embedding": 128}, 2, "frame", 300))
    with pytest.raises(InputError, match="takes 128 values of `audio_embedding`, but"):
        moments.labels(model, features, top_k=1, threshold=0)

"""Models have as many trainable values as the code of those who published them."""

import json
import math

import keras
import pytest
import tensorflow as tf

from tests.models import configured
from tests.models.zoo import GOLDEN
from yt8m_exp import spec

PUBLISHED = {
    found["recipe"]: found["parameters_3862"]
    for found in json.loads((GOLDEN / "parameters.json").read_text())["recipes"]
}
FRAMES = {"rgb": spec.RGB, "audio": spec.AUDIO}
MEANS = {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}
STATISTICS = ("normalize=none", "std=true", "top=0", "count=true")
OURS = {
    "GRU 2x1200 (README)": ("gru", "states=all", "reset_after=false"),
    "LSTM 2x1024, all states (README)": ("lstm", "states=all"),
    "bi-LSTM 1024, logistic (runme)": ("bilstm",),
    "bi-LSTM 1024, MoE-2 (runme; its training call fails as written)": ("bilstm", "head=moe"),
    "bi-GRU 1024, gated, gated MoE-2 (runme)": (
        *("bigru", "reset_after=false", "head.gated_by=probabilities"),
    ),
    "branched bi-GRU 1024 + 128, logistic (runme)": (
        *("bigru", "reset_after=false", "branched=true", "gated=false", "head=logistic"),
    ),
    "DBoF 8192/1024, logistic, 40 frames (runme)": ("dbof", "head=logistic", "sampling.samples=40"),
    "bi-GRU 1024, logistic": ("bigru", "reset_after=false", "gated=false", "head=logistic"),
    "MoNN3Lw, 3 experts": ("frame_statistics", *STATISTICS, "head=monn"),
    "MoNN2Lw, 3 experts": ("frame_statistics", *STATISTICS, "head=monn", "head.shape=[6,3]"),
    "MoNN4Lw, 3 experts": ("frame_statistics", *STATISTICS, "head=monn", "head.shape=[8,1,4,2]"),
    "MoNN3L, 4 experts": (
        *("frame_statistics", *STATISTICS, "head=monn"),
        *("head.units=4096", "head.shape=[1,1,1]", "head.experts=4"),
    ),
    "BERTMean L2 H12": ("transformer", "head.experts=5"),
    "BERT L3 H12": ("transformer", "layers=3", "head.experts=5"),
    "BERTCross attention pooling L2 H8": (
        *("transformer", "apart=1", "layers=1", "heads=8", "pooling=attention", "head.experts=5"),
    ),
    "chain video: 8 stages, 128 units, MoE-2 (run-chaining-video.sh)": (
        *("chain_moe", "head.stages=8", "head.units=128"),
    ),
    "chain video: 3 stages, 256 units, MoE-2": ("chain_moe",),
    "chain CNN: 4 stages, 128 units, MoE-4 (run-chaining-cnn.sh)": (
        *("cnn_chain", "head.stages=4", "head.units=128", "head.experts=4"),
    ),
    "LSTM memory 2x1024, MoE-8 (run-lstm-memory-cell1024.sh)": (
        *("lstm", "states=memory", "head.experts=8"),
    ),
    "chain LSTM: 2x1024, 1 stage, 200 units, MoE-4 (run-chaining-lstm.sh)": (
        *("lstm", "states=memory", "chained=true", "head=chain_moe"),
        *("head.stages=1", "head.units=200", "head.experts=4"),
    ),
    "LSTM 8 attentions, max pooling, MoE-8": ("lstm", "states=attention", "head.experts=8"),
    "LSTM 8 attentions, positional 32, max pooling, MoE-8": (
        *("lstm", "states=attention", "position_units=32", "head.experts=8"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", OURS)
def test_a_published_recipe_has_its_number_of_parameters(recipe):
    name, *words = OURS[recipe]
    features = FRAMES if configured.is_frame_level(name) else MEANS
    with tf.Graph().as_default():  # in which no weight takes memory
        model = configured.build(name, features, spec.CLASSES, *words)
        found = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    keras.backend.clear_session(free_memory=False)  # there is none, and a collection takes long
    assert found == PUBLISHED[recipe]

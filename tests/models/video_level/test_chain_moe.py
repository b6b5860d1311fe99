import numpy as np
import pytest
from hydra.errors import InstantiationException

from tests.models import configured
from tests.models.zoo import Case, Fed

PARTS = {
    "gates/kernel": "gates-{}/weights",
    "experts/kernel": "experts-{}/weights",
    "experts/bias": "experts-{}/biases",
}
CASES = ["chain_moe_1", "chain_moe_3"]


def ours(values):
    """The winners' values by the path of our variables."""
    stages = sum(name.startswith("experts-prediction-") for name in values) // 2
    names = {path: name.format("-main") for path, name in PARTS.items()}
    for n in range(stages):
        for path, name in PARTS.items():
            names[f"stage_{n}_{path}"] = name.format(f"prediction-{n}")
        names[f"stage_{n}_summary/kernel"] = f"relu-{n}/weights"
        names[f"stage_{n}_summary/bias"] = f"relu-{n}/biases"
    return {path: values[name] for path, name in names.items()}


def fed(name):
    case = Case(name)
    words = {
        "stages": case.flags["deep_chain_layers"],
        "units": case.flags["deep_chain_relu_cells"],
        "experts": case.flags["moe_num_mixtures"],
        "auxiliary_weight": case.flags["support_loss_percent"],
        "activation": "elu" if case.flags.get("deep_chain_use_elu") else "relu",
        "keeps": "last" if case.config["model_class"] == "DeepChainModel" else "all",
    }
    overrides = [f"head.{key}={value}" for key, value in words.items()]
    model = configured.build("chain_moe", case.features, case.classes, "normalize=none", *overrides)
    return Fed(case, model, ours, start=None)


@pytest.mark.parametrize("name", CASES)
def test_predictions_are_the_winners(name):
    found = fed(name)
    found.require_predictions({"infer_predictions": ""})
    stages = np.concatenate(found.outputs(training=False)[1:], axis=1)
    np.testing.assert_allclose(stages, found.case["infer_support_predictions"], atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_losses_and_gradients_are_the_winners(name):
    fed(name).require_training()


def built(*overrides):
    words = [f"head.{word}" for word in overrides]
    return configured.build_small("chain_moe", {"x": 5}, 4, "normalize=none", *words)


def test_a_stage_sees_the_units_of_all_stages_before_or_of_the_last():
    for keeps, widths in (("all", [5, 8, 11, 14]), ("last", [5, 8, 8, 8])):
        model = built("stages=3", "units=3", f"keeps={keeps}")
        names = [*(f"stage_{n}_experts" for n in range(3)), "experts"]
        assert [model.get_layer(name).kernel.shape[0] for name in names] == widths


def test_noise_and_dropout_reach_the_stages_in_training_only():
    for word in ("noise=0.1", "dropout=0.5"):
        model = built("stages=1", word)
        x = np.ones((2, 5), "f")
        quiet, noisy = (model({"x": x}, training=training) for training in (False, True))
        assert np.array_equal(quiet, model({"x": x}))
        assert not np.array_equal(quiet, noisy)
        direct = model.get_layer("chained").input[0]
        assert direct is model.input["x"]  # the last mixture sees what was given


@pytest.mark.parametrize(
    "words", ["stages=0", "units=0", "auxiliary_weight=2", "activation=tanh", "keeps=none"]
)
def test_an_option_out_of_its_range_is_refused(words):
    with pytest.raises(InstantiationException, match=f"`{words.split('=')[0]}|<= auxiliary"):
        built(words)


def test_several_vectors_of_a_video_are_refused():
    words = ("states=attention", "head=chain_moe")
    sentence = r"A chain takes one vector .* got \d+ vectors"
    with pytest.raises(InstantiationException, match=sentence):
        configured.build_small("lstm", {"rgb": 8}, 3, *words)

import pytest
from hydra.errors import InstantiationException

from tests.models import configured
from tests.models.zoo import Case, Fed

CASES = {
    "monn2_wide": ([6, 3], ("MoN2w_gates", "MoN2w_H{}", "MoN2_experts")),
    "monn3_wide": ([8, 1, 4], ("gates", "FC_HA{}", "experts")),
}


def ours(values, layers, names):
    gates, hidden, experts = names
    found = {"gates/kernel": values[f"{gates}/weights"]}
    parts = {"experts": experts} | {f"hidden_{n}": hidden.format(n) for n in range(1, layers + 1)}
    for mine, theirs in parts.items():
        found[f"{mine}/kernel"] = values[f"{theirs}/weights"]
        found[f"{mine}/bias"] = values[f"{theirs}/biases"]
    return found


@pytest.mark.parametrize("name", CASES)
def test_predictions_losses_and_gradients_are_the_winners(name):
    case, (shape, names) = Case(name), CASES[name]
    words = (
        f"head.units={case.config['unit_2305_replaced_by']}",
        f"head.shape={shape}".replace(" ", ""),
        f"head.experts={case.flags['MoNN_num_experts']}",
    )
    model = configured.build("monn", case.features, case.classes, *words)
    fed = Fed(case, model, lambda values: ours(values, len(shape), names), start=None)
    fed.require_predictions({"infer_predictions": ""})
    fed.require_training()


@pytest.mark.parametrize("word", ["head.units=0", "head.shape=[]", "head.shape=[1,0]"])
def test_a_layer_without_units_is_refused(word):
    with pytest.raises(InstantiationException, match="`units >= 1` and a `shape` of sizes"):
        configured.build_small("monn", {"x": 3}, 2, word)

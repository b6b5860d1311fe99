"""Networks side by side in one model, each trained by a loss of its own."""

from collections.abc import Callable

import keras

from yt8m_exp.models.auxiliary import Auxiliary
from yt8m_exp.models.ensembles import ensemble
from yt8m_exp.models.requirements import require_positive


def side_by_side(network: Callable[[], keras.Model], branches: int) -> keras.Model:
    """Builds the networks: an ensemble that is trained in one run.

    Args:
        network: builds one of them, with new weights each time.
        branches: the number of networks; of one, the network itself is returned.

    Returns:
        A model whose logits are the mean of theirs; in training, each of them has its own loss.

    Raises:
        InputError: there are no branches.
    """
    require_positive(branches=branches)
    if branches == 1:
        return network()
    members = [network() for _ in range(branches)]
    joint = ensemble.build(members, [1 / branches] * branches, mean="logits")
    predictions = joint.get_layer("probabilities").input
    supervised = Auxiliary(weight=1.0, main_weight=0.0, dtype="float32", name="supervised")
    output = supervised(joint.output, predictions)
    return keras.Model(joint.input, output, name=members[0].name)

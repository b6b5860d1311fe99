"""Learning rates by layer: a model that starts from trained weights keeps more of its first layers.

Source: J. Howard and S. Ruder, "Universal language model fine-tuning for text classification",
2018, section 3.2, https://arxiv.org/abs/1801.06146.
"""

from collections.abc import Mapping

import keras

from yt8m_exp.spec import InputError


def scale(
    optimizer: keras.optimizers.Optimizer, model: keras.Model, factors: Mapping[str, float]
) -> None:
    """Multiplies the learning rate of some variables, before the optimizer is built.

    Args:
        optimizer: the optimizer.
        model: whose trainable variables it updates.
        factors: the factor of variables by the beginning of their paths, as `stem/`; the longest
            that fits counts. A factor of 0 freezes a variable. The decay of weights follows.

    Raises:
        InputError: no variable begins so.
    """
    variables = model.trainable_variables
    for beginning in factors:
        if not any(variable.path.startswith(beginning) for variable in variables):
            known = ", ".join(variable.path for variable in variables)
            raise InputError(
                f"`learning_rate_factors` must name variables of the model, but none of {known} "
                f"begins with {beginning!r}."
            )
    by_place = [_factor(variable.path, factors) for variable in variables]
    update, decay = optimizer.update_step, optimizer.weight_decay
    if getattr(optimizer, "adam_weight_decay", decay) != decay:
        raise InputError("`learning_rate_factors` need one weight_decay, but Muon's are two.")

    def scaled(gradient, variable, learning_rate):
        factor = by_place[optimizer._get_variable_index(variable)]
        if not factor:
            return
        rate = learning_rate * factor
        if decay is not None and optimizer._use_weight_decay(variable):
            variable.assign(variable - variable * decay * rate)
        update(gradient, variable, rate)

    optimizer.update_step = scaled
    optimizer._apply_weight_decay = lambda variables: None  # which knows one rate for all


def _factor(path: str, factors: Mapping[str, float]) -> float:
    fitting = [beginning for beginning in factors if path.startswith(beginning)]
    return factors[max(fitting, key=len)] if fitting else 1.0

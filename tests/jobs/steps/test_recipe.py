from functools import partial

import numpy as np
import pytest

from yt8m_exp.config import compose
from yt8m_exp.jobs.steps import recipe
from yt8m_exp.training.losses import hinge


def test_a_loss_takes_its_weights_from_the_file_that_its_group_names(tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text("index,weight\n2,0.5\n0,3\n")
    group = compose.compose("train", ["loss=hinge", f"loss.label_weights={path}"]).loss
    labels, predictions = np.array([[0]]), np.array([[0.5, 0.25, 1.0]], np.float32)
    value = float(recipe.loss(group, 3)(labels, predictions))
    assert value == pytest.approx(3 * 0.5 + 1.25 + 0.5 * 2)
    weights = np.float32([3, 1, 0.5])
    assert value == pytest.approx(float(partial(hinge, label_weights=weights)(labels, predictions)))

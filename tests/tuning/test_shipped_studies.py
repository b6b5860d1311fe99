from pathlib import Path

import pytest
import yaml

from yt8m_exp.config import compose
from yt8m_exp.config.overrides import override
from yt8m_exp.tuning.definition import Definition

STUDIES = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_space_of_a_study_holds_the_configurations_own_values(path):
    definition = Definition.parse(yaml.safe_load(path.read_text()))

    def settings(params):
        overrides = [override(*item) for item in params.items()]
        return compose.settings("train", [*definition.overrides, *overrides])

    assert definition.search_space(settings).default()

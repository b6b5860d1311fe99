import pytest

from yt8m_exp.jobs.steps.checks import preflight
from yt8m_exp.spec import OutsideError


def test_a_disk_that_is_too_full_is_named(tmp_path):
    preflight.require_space(tmp_path, 1)
    with pytest.raises(OutsideError, match=r"needs about 1,000,000,000,000 MB .* MB left"):
        preflight.require_space(tmp_path, 1e12)

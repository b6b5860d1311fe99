"""Plain calls on a Dask cluster; trials on one are tested in test_driver.py."""

import os
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from yt8m_exp.tuning.launchers.dask import Dask


def square(folder: Path, number: int) -> int:
    died = folder / "died"
    if number == 3 and not died.exists():
        died.touch()
        os._exit(1)
    return number**2


@pytest.mark.slow
def test_calls_of_a_worker_that_dies_are_repeated_and_the_order_stays(tmp_path):
    with closing(Dask(slots=1)) as cluster:
        squares = cluster.map(partial(square, tmp_path), range(9))
        assert list(squares) == [number**2 for number in range(9)]
    assert (tmp_path / "died").exists()

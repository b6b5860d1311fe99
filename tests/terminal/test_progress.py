import subprocess
import sys

import pytest

from tests import pseudo_terminal
from tests.verbs import PROJECT

SHOWS = [sys.executable, "-m", "tests.terminal.shows_progress"]


@pytest.mark.parametrize(("columns", "has_bar"), [(80, False), (120, True), (140, True)])
def test_progress_is_one_line_that_ends_at_its_total(columns, has_bar):
    with pseudo_terminal.opened(SHOWS, columns=columns, cwd=PROJECT) as terminal:
        assert terminal.wait() == 0
        (line,) = terminal.text.splitlines()
    assert len(line) <= columns
    for text in ("Training", "15220/15220", "loss 10.33  gap 0.4098", "left 00:00"):
        assert text in line
    assert ("100%" in line) is has_bar
    assert ("passed 0:00:0" in line) is has_bar


def test_in_a_pipe_short_work_is_one_line_with_the_total():
    done = subprocess.run(SHOWS, cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Training: 15,220 of 15,220  ")
    assert line.endswith("loss 10.33  gap 0.4098")

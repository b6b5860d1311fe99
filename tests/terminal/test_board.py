import subprocess
import sys

import pytest

from tests import pseudo_terminal
from tests.verbs import PROJECT
from yt8m_exp.terminal import board
from yt8m_exp.tuning import status

SHOWS = [sys.executable, "-m", "tests.terminal.shows_board"]
MESSAGES = [
    f"Trial {number} complete after 42 s, 69,273 examples. val/gap 0.7104" for number in range(3)
]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (42.4, "0:42"), (725, "12:05"), (12_000, "3:20:00"), (float("nan"), "-")],
)
def test_a_duration_is_written_as_a_clock_shows_it(seconds, text):
    assert board.clock(seconds) == text


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120, 140])
def test_the_last_state_stays_below_all_messages(columns):
    with pseudo_terminal.opened(SHOWS, columns=columns, cwd=PROJECT) as terminal:
        assert terminal.wait() == 0
        lines = [line.replace(board.NO_BREAK, " ") for line in terminal.text.splitlines()]
    last = "finished 3 of 3  complete 2  pruned 1  passed 2:06  best 0.7104 (trial 1)"
    assert lines == [*MESSAGES, "Study moe: 3 trials", last]


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120, 140])
def test_a_table_stays_whole(columns):
    with pseudo_terminal.opened([*SHOWS, "stay"], columns=columns, cwd=PROJECT) as terminal:
        terminal.until("2 of 3".replace(" ", board.NO_BREAK))
        terminal.until("slot")
        text = terminal.text
    head = next(line for line in text.splitlines() if "slot" in line)
    assert tuple(head.split()) == status.COLUMNS
    assert text.count("Study moe") == 1
    for part in ("learning_rate=0.02334", "experts=4", "l2=1.23e-07", "12,345", "0:42", "12:05"):
        assert text.count(part) >= 2, text
    assert "…" not in text


@pytest.mark.slow
def test_in_a_pipe_there_are_the_messages_alone():
    done = subprocess.run(SHOWS, cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == MESSAGES

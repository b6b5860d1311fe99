import pytest
from rich.console import Console

from yt8m_exp.terminal import board


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (42.4, "0:42"), (725, "12:05"), (12_000, "3:20:00"), (float("nan"), "-")],
)
def test_a_duration_is_written_as_a_clock_shows_it(seconds, text):
    assert board.clock(seconds) == text


def test_a_table_is_shown_on_a_terminal_alone(monkeypatch, capsys):
    rows = [("0", "7", "rate=0.02")]
    with board.shown("Study", ("slot", "trial", "parameters")) as show:
        show(rows, {"best": "0.71"})
    assert capsys.readouterr().err == ""
    terminal = Console(stderr=True, force_terminal=True, width=80)
    monkeypatch.setattr(board, "Console", lambda **options: terminal)
    with board.shown("Study", ("slot", "trial", "parameters")) as show:
        show(rows, {"best": "0.71"})
    shown = capsys.readouterr().err
    for text in ("Study", "parameters", "rate=0.02", "best 0.71"):
        assert text in shown

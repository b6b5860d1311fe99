import signal

import pytest

from yt8m_exp.tuning.launchers.children import exit_in_words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGKILL, "was killed by SIGKILL (no memory left on the machine, or somebody's"),
        (-signal.SIGSEGV, "was killed by SIGSEGV (a fault of a library, or no memory within a"),
        (-signal.SIGABRT, "was killed by SIGABRT (a fault of a library, or no memory within a"),
        (-signal.SIGTERM, "was killed by SIGTERM"),
        (3, "exited with 3 and no report"),
        (None, "did not end"),
    ],
)
def test_the_end_of_a_process_is_told_in_words(code, words):
    assert exit_in_words(code).startswith(words)

import subprocess
import sys
import textwrap

from tests.verbs import PROJECT

ORPHAN = """
    import multiprocessing, os, time
    from yt8m_exp.tuning import child

    set_session = os.setsid
    os.setsid = lambda: (time.sleep(0.3), set_session())
    ours, theirs = multiprocessing.Pipe()
    ours.close()
    trial = os.fork()
    if not trial:
        child.serve(theirs, {"work": "time:sleep", "arguments": {}, "environment": {}})
    os.waitpid(trial, 0)
    print("alive")
"""


def test_a_trial_whose_driver_is_gone_at_once_kills_no_neighbour():
    command = [sys.executable, "-c", textwrap.dedent(ORPHAN)]
    ended = subprocess.run(
        command, cwd=PROJECT, start_new_session=True, capture_output=True, text=True
    )
    assert ended.stdout == "alive\n"

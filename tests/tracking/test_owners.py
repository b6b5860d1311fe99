import os
import signal
import subprocess
import sys

from filelock import FileLock

HOLD = """
import os, sys, time
from filelock import FileLock
FileLock(sys.argv[1]).acquire()
if os.fork():
    print(flush=True)
time.sleep(60)
"""


def test_a_forked_child_does_not_keep_the_lock_of_a_process_that_was_killed(tmp_path):
    """`filelock` closes the lock's file in children, which flock alone would share with them."""
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            process.stdout.readline()
            process.kill()
            process.wait()
            with FileLock(path, timeout=10):
                pass
        finally:
            os.killpg(process.pid, signal.SIGKILL)

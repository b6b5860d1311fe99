import json
from multiprocessing import Pipe
from types import SimpleNamespace

from yt8m_exp.tuning.running import RunningTrial


def test_a_trial_that_is_resumed_at_its_end_has_seen_what_its_result_says():
    ours, theirs = Pipe()
    running = RunningTrial(None, {}, "run", SimpleNamespace(connection=ours))
    theirs.send_bytes(json.dumps({"result": {"gap": 0.5, "examples": 256}}).encode())
    running.receive()
    assert running.examples == 256

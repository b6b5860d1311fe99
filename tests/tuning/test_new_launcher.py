"""A launcher is one class and one YAML: here both are written, and nothing else is touched."""

import textwrap

FILE = '''
    """Trials as new interpreters that are told how many threads they may use."""

    from yt8m_exp.tuning.launchers import subprocess


    class Threads:
        """Launches each trial with so many threads.

        Args:
            slots: how many trials run at the same time; None: one.
            threads: of a trial.
        """

        def __init__(self, slots=None, threads=1):
            self.slots = slots or 1
            self._environment = {"TF_NUM_INTRAOP_THREADS": str(threads)}

        def start(self, task, slot):
            environment = self._environment | {"CUDA_VISIBLE_DEVICES": str(slot)}
            given = {"environment": task["environment"] | environment, "megabytes": None}
            return subprocess.start({**task, **given})

        def close(self):
            """There is nothing to free."""
'''
YAML = """
    # Trials as processes on this machine, each with so many threads.
    _target_: threads_of_trials.Threads
    threads: 3 # of a trial
"""


def test_a_study_runs_on_it(studies, tmp_path, monkeypatch):
    (tmp_path / "threads_of_trials.py").write_text(textwrap.dedent(FILE))
    (tmp_path / "conf" / "launcher").mkdir(parents=True)
    (tmp_path / "conf" / "launcher" / "threads.yaml").write_text(textwrap.dedent(YAML))
    monkeypatch.setitem(studies.store.environment, "PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(studies.store.environment, "YT8M_TARGETS", "threads_of_trials")
    words = (f"hydra.searchpath=[file://{tmp_path}/conf]", "launcher=threads")
    result = studies.done(*words, "slots=2", "trials=2", work="shows_its_place")
    assert result["counts"] == {"complete": 2}
    for trial in studies.trials:
        device, threads = studies.output(trial).partition("device ")[2].split()[:2]
        assert device in ("0", "1")
        assert threads == "3"
    assert studies.store.get(result["run_id"]).data.params["cfg.launcher.threads"] == "3"

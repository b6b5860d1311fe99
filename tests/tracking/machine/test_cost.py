"""The cost of a run, from a real clock and from counters as Linux shows them."""

import contextlib

from yt8m_exp.tracking.machine import cost


class Written(dict):
    """Takes metrics as a run's writer does."""

    def log(self, values, step):
        self.update(values)


def test_a_run_adds_seconds_and_joules_to_those_before(tmp_path):
    counter = tmp_path / "intel-rapl:0" / "energy_uj"
    part = tmp_path / "intel-rapl:0:0" / "energy_uj"
    for path, value in ((counter, 5_000_000), (part, 1_000_000)):
        path.parent.mkdir()
        path.write_text(f"{value}\n")
    written, before = Written(), {"cost/seconds": 10.0, "cost/joules": 2.0}
    with contextlib.suppress(KeyError), cost.measured(written, before, rapl=tmp_path):
        counter.write_text("8500000\n")
        part.write_text("2000000\n")
        raise KeyError
    assert written["cost/joules"] == 5.5
    assert 10 < written["cost/seconds"] < 20


def test_energy_that_cannot_be_read_is_no_metric(tmp_path):
    written = Written()
    with cost.measured(written, {}, rapl=tmp_path):
        pass
    assert list(written) == ["cost/seconds"]

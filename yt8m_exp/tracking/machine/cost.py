"""The cost of a run: seconds, and the energy of processors and GPUs where the machine tells it."""

import contextlib
import importlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from yt8m_exp.tracking.outbox.writer import MetricWriter

SECONDS, JOULES = "cost/seconds", "cost/joules"
RAPL = Path("/sys/class/powercap")
"""Linux's counters of the energy of processors, which often root alone may read."""


@contextmanager
def measured(
    writer: MetricWriter, before: Mapping[str, float], resumes: int = 0, *, rapl: Path = RAPL
) -> Iterator[None]:
    """Logs what the block costs, however it ends; a resumed run adds to its cost before.

    The energy is that of the whole machine, whatever else runs on it.

    Args:
        writer: takes the metrics.
        before: the metrics that the run has.
        resumes: how often the run has been resumed: the step of what is logged, as each is new.
        rapl: the folder of the counters.
    """
    began, counters = time.monotonic(), _joules(rapl)
    try:
        yield
    finally:
        values = {SECONDS: before.get(SECONDS, 0.0) + time.monotonic() - began}
        now = _joules(rapl)
        used = [now[name] - value for name, value in counters.items() if now.get(name, -1) >= value]
        if used:  # a counter that began anew is left out
            values[JOULES] = before.get(JOULES, 0.0) + sum(used)
        writer.log(values, resumes)


def _joules(rapl: Path) -> dict[str, float]:
    """Returns the counters that can be read, by name, in joules."""
    found = dict(_gpus())
    for counter in rapl.glob("intel-rapl:?/energy_uj"):  # a package; parts of it have more digits
        with contextlib.suppress(OSError):
            found[counter.parent.name] = int(counter.read_text()) / 1e6
    return found


def _gpus() -> Iterator[tuple[str, float]]:
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
    except Exception:  # not installed, or no driver: of several kinds
        return
    for number in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(number)
        with contextlib.suppress(nvml.NVMLError):  # older GPUs have no counter
            yield f"gpu:{number}", nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3

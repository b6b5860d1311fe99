"""Samples the machine while a run lasts: processor, memory, disk, network, GPUs."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from yt8m_exp.tracking.outbox.writer import MetricWriter

logger = logging.getLogger(__name__)


@contextmanager
def sampling(writer: MetricWriter, run_id: str, started: float) -> Iterator[None]:
    """Logs what MLflow's monitors measure, as `system/...`, until the block ends.

    MLflow's own loop asks the server for the run's status before each sample, so that an outage
    ends it, and `finish` waits for its retries (MLflow 3.17.2, not reported). This loop only writes
    to the run's writer. The step is the seconds since the run's start: a resumed run continues it,
    and a clock that is put back while the run lasts changes nothing.

    Args:
        writer: The run's writer.
        run_id: The run.
        started: When the run first started, in seconds since 1970.
    """
    # Used for its list of monitors, those that suit this machine; its loop is never started.
    logging.getLogger(SystemMetricsMonitor.__module__).setLevel(logging.WARNING)
    monitor = SystemMetricsMonitor(run_id)
    stop = threading.Event()
    before, began = max(time.time() - started, 0.0), time.monotonic()

    def publish() -> None:
        monitor.collect_metrics()
        metrics = {f"system/{key}": value for key, value in monitor.aggregate_metrics().items()}
        writer.log(metrics, step=int(before + time.monotonic() - began))
        for part in monitor.monitors:
            part.clear_metrics()

    def loop() -> None:
        while not stop.wait(monitor.sampling_interval):
            publish()
        publish()  # so that a short run has a sample

    thread = threading.Thread(target=loop, name="system-metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5.0)

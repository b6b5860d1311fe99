"""Sends a run's metrics to MLflow from one thread, each point once, also over an outage."""

import logging
import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric

from yt8m_exp.spec import RefusedError, caused_by
from yt8m_exp.tracking import patience
from yt8m_exp.tracking.outbox.journal import Journal, Point, is_name, read

logger = logging.getLogger(__name__)

BATCH_POINTS = 1000  # MLflow's limit of a request
SEND_POINTS = 500
SEND_SECONDS = 2.0
BACKOFF_SECONDS = 10.0
BACKOFF_WAITED_SECONDS = 0.5
REQUEST_SECONDS = 30.0


class MetricWriter:
    """A buffered writer of metrics that does not wait for the server and loses no point.

    A point is identified by (key, step). It is written to the journal, then sent. When the run is
    resumed, points of the journal that the server lacks are sent again. A point that is logged
    again, as training does after it resumes from a checkpoint, keeps its first value.

    Args:
        client: A client of the tracking store.
        run_id: The run; its stored points are read once, here.
        journal: A file of the run's directory; it is created or continued.

    Raises:
        MlflowException: The run cannot be read.
    """

    def __init__(self, client: MlflowClient, run_id: str, journal: Path):
        self._client = client
        self._run_id = run_id
        self._seen = _stored_steps(client, run_id)
        self._pending = [p for p in read(journal) if p.step not in self._seen[p.key]]
        for point in self._pending:
            self._seen[point.key].add(point.step)
        self._journal = Journal(journal)
        self._changed = threading.Condition()
        self._failures = 0
        self._waiters = 0
        self._kicked = bool(self._pending)
        self._refused = False
        self._stopped = False
        self._warned: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="metric-writer", daemon=True)
        self._thread.start()

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Takes metrics to be sent; returns at once, and raises no error of server, disk or value.

        NaN is kept. Infinity becomes NaN: MLflow's database stores 1.8e308 (mlflow/mlflow#1573).
        A name that MLflow refuses and a value that is no number are left out, with a warning.

        Args:
            metrics: Values by name.
            step: Examples seen.
        """
        now, step = time.time_ns() // 1_000_000, int(step)
        with self._changed:
            if self._stopped:
                self._warn_once("closed", "Run %s has ended; metrics are left out.", self._run_id)
                return
            fresh = {k: self._number(k, v) for k, v in metrics.items() if self._is_new(k, step)}
            numbers = {key: value for key, value in fresh.items() if value is not None}
            if numbers:
                self._keep(now, step, numbers)

    def flush(self, timeout_seconds: float = 30.0) -> int:
        """Waits until every point is stored, or until the server refuses the login.

        Args:
            timeout_seconds: How long to wait at most.

        Returns:
            How many points are not stored yet: 0 where all are.
        """
        with self._changed:
            self._waiters += 1
            self._kicked = True
            self._refused = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._pending or self._refused, timeout_seconds)
            self._waiters -= 1
            return len(self._pending)

    def close(self, timeout_seconds: float = 60.0) -> None:
        """Flushes for a bounded time and ends the thread; warns where points are left.

        Args:
            timeout_seconds: How long to wait for the server at most.
        """
        if self._stopped:
            return
        left = self.flush(timeout_seconds)
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(BACKOFF_WAITED_SECONDS)
        self._journal.close()
        if left:
            logger.warning(
                "%d metric points of run %s are not on the tracking server. They are in %s, and "
                "are sent when the run is resumed: resume=%s",
                *(left, self._run_id, self._journal.path, self._run_id),
            )

    def _is_new(self, key: str, step: int) -> bool:
        return key not in self._seen or step not in self._seen[key]

    def _keep(self, now: int, step: int, metrics: dict[str, float]) -> None:
        for key, value in metrics.items():
            self._seen[key].add(step)
            self._pending.append(Point(key, value, now, step))
        try:
            self._journal.append(now, step, metrics)
        except OSError as error:
            self._warn_once("journal", "Metrics are held in memory only, no journal: %s", error)
        if len(self._pending) >= SEND_POINTS and not self._failures:
            self._changed.notify_all()

    def _number(self, key: str, value: float) -> float | None:
        if not is_name(key):
            self._warn_once(key, "MLflow allows no metric named %r; it is left out.", key)
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            self._warn_once(key, "Metric %s is no number but %r; it is left out.", key, value)
            return None
        if math.isinf(number):
            self._warn_once(key, "Metric %s is %r; NaN is logged in its place.", key, number)
            return math.nan
        return number

    def _warn_once(self, topic: str, message: str, *args: object) -> None:
        if topic not in self._warned:
            self._warned.add(topic)
            logger.warning(message, *args)

    def _work(self) -> None:
        while not self._stopped:
            if batch := self._next_batch():
                self._attempt(batch)

    def _next_batch(self) -> list[Point]:
        with self._changed:
            self._changed.wait_for(self._is_due, self._pause_seconds())
            self._kicked = False
            return self._pending[:BATCH_POINTS]

    def _is_due(self) -> bool:
        enough = 1 if self._waiters else SEND_POINTS
        return (
            self._stopped or self._kicked or (not self._failures and len(self._pending) >= enough)
        )

    def _pause_seconds(self) -> float:
        if not self._failures:
            return SEND_SECONDS
        pause = min(BACKOFF_SECONDS, 0.5 * 2 ** min(self._failures, 10))
        pause *= random.uniform(0.5, 1.0)  # many runs may wait for the server
        return min(pause, BACKOFF_WAITED_SECONDS) if self._waiters else pause

    def _attempt(self, batch: list[Point]) -> None:
        try:
            with patience.once(REQUEST_SECONDS):
                self._client.log_batch(self._run_id, metrics=[Metric(*point) for point in batch])
        except Exception as error:  # of any kind: training continues, and we retry
            self._failures += 1
            if self._failures == 1:
                logger.warning("The tracking server accepts no metrics, retrying: %s", error)
            if caused_by(error, RefusedError):
                with self._changed:
                    self._refused = True
                    self._changed.notify_all()
            return
        if self._failures:
            logger.info("The tracking server accepts metrics again.")
        with self._changed:
            self._failures = 0
            del self._pending[: len(batch)]
            self._changed.notify_all()


def _stored_steps(client: MlflowClient, run_id: str) -> defaultdict[str, set[int]]:
    steps: defaultdict[str, set[int]] = defaultdict(set)
    for key in client.get_run(run_id).data.metrics:
        steps[key].update(metric.step for metric in client.get_metric_history(run_id, key))
    return steps

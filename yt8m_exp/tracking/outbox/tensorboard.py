"""TensorBoard's event files, beside MLflow's metrics or made of them."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mlflow.entities import Metric
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from yt8m_exp.data.tfrecords import tfrecord

Report = Callable[[Mapping[str, float], int], None]
VERSION = "brain.Event:2"
NAME = "events.out.tfevents.0.mlflow"


def beside(report: Report, folder: Path) -> Report:
    """Returns a report that writes event files too.

    Args:
        report: takes metrics by name, and the examples seen.
        folder: where the event files go.
    """
    # Imported here: it takes 7 s, and `tracking` answers without it.
    import tensorflow as tf

    events = tf.summary.create_file_writer(str(folder))

    def both(metrics: Mapping[str, float], examples: int) -> None:
        report(metrics, examples)
        with events.as_default():
            for name, value in metrics.items():
                tf.summary.scalar(name, value, step=examples)
            events.flush()

    return both


def write(folder: Path, points: Iterable[Metric]) -> None:
    """Writes points that MLflow holds to an event file, over the one of a call before."""
    folder.mkdir(parents=True, exist_ok=True)
    first = Event(file_version=VERSION)
    records = (one.SerializeToString() for one in (first, *map(_event, points)))
    tfrecord.write(folder / NAME, records)


def _event(point: Metric) -> Event:
    value = Summary.Value(tag=point.key, simple_value=point.value)
    when = point.timestamp / 1000
    return Event(wall_time=when, step=point.step, summary=Summary(value=[value]))

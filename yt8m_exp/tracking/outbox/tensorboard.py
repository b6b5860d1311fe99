"""TensorBoard's event files, beside MLflow's metrics."""

from collections.abc import Callable, Mapping
from pathlib import Path

Report = Callable[[Mapping[str, float], int], None]


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

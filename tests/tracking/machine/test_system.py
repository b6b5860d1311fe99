import time

from mlflow import MlflowClient

from yt8m_exp.tracking.machine import system
from yt8m_exp.tracking.outbox.writer import MetricWriter


def test_a_clock_that_is_put_back_makes_no_step_before_the_start(folder, tmp_path):
    client = MlflowClient()
    run_id = client.create_run("0").info.run_id
    writer = MetricWriter(client, run_id, tmp_path / "metrics.jsonl")
    with system.sampling(writer, run_id, started=time.time() + 3600):
        pass
    writer.close()
    steps = [p.step for p in client.get_metric_history(run_id, "system/disk_usage_percentage")]
    assert steps == [0]

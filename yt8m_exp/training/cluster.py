"""This process' place among the workers that TF_CONFIG names; known without TensorFlow."""

import json
import os


def place() -> tuple[int, int]:
    """Returns this worker's number and how many there are; number 0 tracks and keeps the run.

    Without TF_CONFIG this process is the only one. Source:
    https://www.tensorflow.org/guide/distributed_training#TF_CONFIG.
    """
    config = json.loads(os.environ.get("TF_CONFIG", "{}"))
    cluster, task = config.get("cluster", {}), config.get("task", {})
    chiefs, workers = len(cluster.get("chief", [])), len(cluster.get("worker", []))
    if chiefs + workers < 2:
        return 0, 1
    behind_chief = chiefs if task.get("type") == "worker" else 0
    return int(task.get("index", 0)) + behind_chief, chiefs + workers

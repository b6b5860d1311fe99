"""How much does a model add to an answer of `mlflow models serve`, and does its memory grow?

    python -m benchmarks.serving [requests]
    python -m benchmarks.serving frames [requests]

The first sends requests of one video to `logistic` and, in turn, to an MLflow model that does
nothing; what that takes is MLflow's own. The second sends 64 whole videos of frames at a time.
"""

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate

from benchmarks.servers import Server, records_request, serving
from yt8m_exp import spec
from yt8m_exp.config import compose
from yt8m_exp.data.tfrecords import tfrecord

SAMPLE = Path(__file__).parents[1] / "sample"
REQUESTS, WARM = 1000, 50
FRAME_VIDEOS = 64
EMPTY = """
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

class Empty(PythonModel):
    def predict(self, context, model_input, params=None):
        return []

set_model(Empty())
"""


def main() -> None:
    """Prints the table."""
    words = sys.argv[1:]
    requests = int(words[-1]) if words and words[-1].isdigit() else REQUESTS
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        work = frames if words[:1] == ["frames"] else latency
        work(Path(folder), requests)


def latency(folder: Path, requests: int) -> None:
    """Compares answers about one video with those of a model that does nothing."""
    model = built("logistic", {"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO})
    names = {"empty": _logged_empty(folder), "logistic": logged(folder, model)}
    bodies = [
        json.dumps(records_request([record])).encode()
        for record in records("video/validate", requests)
    ]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        servers = {name: served(stack, uri, folder / name) for name, uri in names.items()}
        for number in range(WARM + requests):
            for name, server in servers.items():
                took = _timed(server, bodies[number % len(bodies)])
                if number >= WARM:
                    seconds[name].append(took)
    print(f"{requests} requests of one video, {os.cpu_count()} cores")
    print(f"{'':12}{'median':>10}{'p95':>10}{'p99':>10}  ms")
    rows = {name: 1000 * np.quantile(times, [0.5, 0.95, 0.99]) for name, times in seconds.items()}
    rows["beyond"] = rows["logistic"] - rows["empty"]
    for name, row in rows.items():
        print(f"{name:12}" + "".join(f"{value:10.1f}" for value in row))


def frames(folder: Path, requests: int) -> None:
    """Watches the memory of a server that predicts whole videos of frames."""
    model = built("frame_logistic", {"rgb": spec.RGB, "audio": spec.AUDIO})
    body = json.dumps(records_request(records("frame/*", FRAME_VIDEOS))).encode()
    print(f"{requests} requests of {FRAME_VIDEOS} videos, {len(body) / 2**20:.1f} MiB each")
    with ExitStack() as stack:
        server = served(stack, logged(folder, model), folder / "frames")
        for number in range(requests + 1):
            took = _timed(server, body)
            if number % max(requests // 10, 1) == 0:
                memory = server.resident_mebibytes()
                print(f"{number:6} requests {memory:8,.0f} MiB {took:6.2f} s", flush=True)


def built(name: str, features: dict[str, int]) -> Any:
    """Returns a model as its configuration has it, with random weights."""
    cfg = compose.compose("train", [f"model={name}"]).model
    return instantiate(cfg, features=features, classes=spec.CLASSES)


def _timed(server: Server, body: bytes) -> float:
    begin = time.perf_counter()
    status, answer = server.post(body)
    if status != 200:
        raise RuntimeError(f"{status}: {answer}")
    return time.perf_counter() - begin


def served(stack: ExitStack, model_uri: str, folder: Path) -> Server:
    """Serves a model of this process's store until the stack ends."""
    folder.mkdir()
    return stack.enter_context(serving(model_uri, os.environ["MLFLOW_TRACKING_URI"], folder))


def logged(folder: Path, model) -> str:
    """Logs a model in this process's store; returns its URI."""
    import mlflow

    from yt8m_exp.data.vocabulary import Vocabulary
    from yt8m_exp.serving import packaging
    from yt8m_exp.tracking import store

    client = store.connect()
    path = folder / "model.keras"
    model.save(path)
    with mlflow.start_run(experiment_id=store.experiment_id(client, "serving")):
        words = Vocabulary(("",) * spec.CLASSES)
        about = {"examples": 0}
        model_id = packaging.log_model(path, role="best", step=0, words=words, about=about)
        return f"models:/{model_id}"


def _logged_empty(folder: Path) -> str:
    import mlflow

    from yt8m_exp.tracking import store

    client = store.connect()
    (folder / "empty.py").write_text(EMPTY)
    with mlflow.start_run(experiment_id=store.experiment_id(client, "serving")):
        path = str(folder / "empty.py")
        return mlflow.pyfunc.log_model(
            name="empty", python_model=path, pip_requirements=[]
        ).model_uri


def records(folder: str, most: int) -> list[bytes]:
    """Returns so many records of a folder of the sample, again and again if it has fewer."""
    found: list[bytes] = []
    for path in sorted(SAMPLE.glob(f"{folder}/*.tfrecord")):
        data = path.read_bytes()
        spans, _ = tfrecord.index(data, checksums=False)
        found += [data[start : start + size] for start, size in zip(*spans, strict=True)]
    return (found * -(-most // len(found)))[:most]


if __name__ == "__main__":
    main()

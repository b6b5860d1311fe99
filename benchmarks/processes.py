"""What do whole processes take, stage by stage, beside bare imports?

    python -m benchmarks.processes [shards]

Trains `logistic` on the sample, predicts one shard of it, and predicts the shards that are given,
each in a process of its own. `cpu` is processor time; a peak is what the process has had in memory
until the stage ended.
"""

import os
import resource
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wrapt

ONE = "sample/video/validate/validate0076.tfrecord"
STAGES = {
    "yt8m_exp.cli:_work": "the rest",
    "yt8m_exp.tracking.store:connect": "the store of runs",
    "yt8m_exp.terminal.quiet:load_tensorflow": "TensorFlow and Keras",
    "yt8m_exp.cli:_load": "other modules",
    "yt8m_exp.serving.loading:load": "the model",
    "yt8m_exp.jobs.steps.recipe:learner": "the model",
    "yt8m_exp.tracking.datasets:checked": "checks of shards",
    "yt8m_exp.data.tfrecords.warming:warm": "compiled loops",
    "yt8m_exp.jobs.steps.batch.alone:predict": "prediction",
    "yt8m_exp.jobs.steps.training.fitting:train": "training",
    "yt8m_exp.jobs.steps.finish:finish": "results, model and figures",
}
"""What is measured, by the function that does it; a stage within another counts alone."""
STARTED = time.perf_counter()


def main() -> None:
    """Measures and prints all."""
    if sys.argv[1:2] == ["stages"]:
        stages(*sys.argv[2:])
        return
    for code in ("pass", "import tensorflow", "import mlflow", "import tensorflow, mlflow"):
        whole(code, [sys.executable, "-c", code])
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "XDG_CACHE_HOME": f"{folder}/cache",
        }
        runs = f"tracking.runs={folder}/runs"
        train = ["train", "epochs=1", "register=bench", runs]
        verb("the first training, which makes the database", train)
        verb("train, on the sample", train)
        predict = ["inference", "model_uri=models:/bench/1", f"output={folder}/out.csv", runs]
        verb("inference, one shard", [*predict, f"shards={ONE}"])
        for shards in sys.argv[1:]:
            verb(f"inference, {shards}", [*predict, f"shards={shards}"])


def verb(title: str, words: list[str]) -> None:
    """Prints what a verb takes, whole, and then stage by stage in a second process."""
    whole(title, [sys.executable, "-m", f"yt8m_exp.{words[0]}", *words[1:]])
    subprocess.run([sys.executable, "-m", "benchmarks.processes", "stages", *words], check=True)


def whole(title: str, command: list[str]) -> None:
    """Prints what a process takes."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, command
    show(title, time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss)


def stages(name: str, *words: str) -> None:
    """Becomes a verb, and prints each of its stages."""
    spent: dict[str, list[float]] = {}
    running = ["imports of the command line"]
    at = [STARTED, 0.0]

    def turn(stage: str) -> None:
        """Books the time since the last turn."""
        now = [time.perf_counter(), cpu()]
        row = spent.setdefault(stage, [0.0, 0.0, 0.0])
        row[:] = row[0] + now[0] - at[0], row[1] + now[1] - at[1], peak()
        at[:] = now

    def timed(stage: str) -> Callable[..., Any]:
        @wrapt.decorator
        def measured(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
            turn(running[-1])
            running.append(stage)
            try:
                return wrapped(*args, **kwargs)
            finally:
                turn(running.pop())

        return measured

    for place, stage in STAGES.items():
        module, _, function = place.partition(":")

        def wrap(found: Any, function: str = function, stage: str = stage) -> None:
            setattr(found, function, timed(stage)(getattr(found, function)))

        wrapt.register_post_import_hook(wrap, module)
    sys.argv = [f"{name}.py", *words]
    errors, sys.stderr = sys.stderr, Path(os.devnull).open("w")  # noqa: SIM115  until it exits
    try:
        runpy.run_module(f"yt8m_exp.{name}", run_name="__main__")
    finally:
        turn(running[-1])
        sys.stderr = errors
        for stage, (seconds, processor, memory) in spent.items():
            show(f"    {stage}", seconds, processor, int(memory), file=errors)


def show(title: str, seconds: float, processor: float, kib: int, file: Any = sys.stdout) -> None:
    """Prints a row."""
    row = f"{title:46}{seconds:8.2f} s{processor:8.2f} s cpu{kib / 1024:8,.0f} MiB peak"
    print(row, file=file, flush=True)


def cpu() -> float:
    """Returns the processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak() -> int:
    """Returns the most that this process has had in memory, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()

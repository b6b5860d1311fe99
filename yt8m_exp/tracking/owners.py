"""The process that owns a run: whether it lives, and how the run ends when it has died."""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Run

from yt8m_exp.spec import OutsideError
from yt8m_exp.training import checkpoints

logger = logging.getLogger(__name__)

PREFIX = "mlflow.owner."
"""Begins the tags of an owner: MLflow's pages hide what begins with `mlflow.`."""
RESUME_WAIT_SECONDS = 2.0
"""How long a start waits for a run's lock: a check for dead runs holds it for a moment."""
CLOCK_SECONDS = 2.0
"""The start time of a process may differ by less between two readings (the clock is adjusted)."""


def tags(root: Path) -> dict[str, str]:
    """Returns the tags that say which process owns a run.

    Args:
        root: The folder that holds the folder of the run, and in it the lock.
    """
    return {PREFIX + key: value for key, value in {**process(), "root": str(root)}.items()}


def of_run(run: Run) -> dict[str, str]:
    """Returns the process that owns a run, as `process` describes it, and the run's root."""
    found = run.data.tags.items()
    return {key.removeprefix(PREFIX): value for key, value in found if key.startswith(PREFIX)}


def process() -> dict[str, str]:
    """Returns what identifies this process among all processes of all machines."""
    return {
        "host": socket.gethostname(),
        "pid": str(os.getpid()),
        "pid_namespace": _pid_namespace(),
        "process_start": f"{psutil.Process().create_time():.2f}",
    }


def is_of_this_machine(process: Mapping[str, str]) -> bool:
    """Tells whether a process, as `process` describes it, runs where this one can see it."""
    ours = {"host": socket.gethostname(), "pid_namespace": _pid_namespace()}
    return ours.items() <= process.items()


def latest_run(client: MlflowClient, experiment_id: str, **tags: str) -> Run | None:
    """Returns the newest run that this process has made, with these tags; None if it made none."""
    ours = {PREFIX + key: value for key, value in process().items()}
    wanted = [f"tags.`{key}` = '{value}'" for key, value in (ours | tags).items()]
    found = client.search_runs(
        [experiment_id],
        " and ".join(wanted),
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return found[0] if found else None


@contextmanager
def owning(client: MlflowClient, run: Run, directory: Path) -> Iterator[None]:
    """Holds a run for this process, so that no other continues it.

    Args:
        client: A client of the tracking store.
        run: The run as MLflow stores it now.
        directory: The run's working directory, which holds its lock.

    Raises:
        OutsideError: Another live process, or a process of another host, holds the run.
    """
    _refuse_foreign(run)
    try:
        with FileLock(directory / "lock", timeout=RESUME_WAIT_SECONDS):
            yield
    except Timeout as error:
        holder = client.get_run(run.info.run_id)  # who took it may have said so since
        raise OutsideError(_held(holder)) from error


def close_dead_runs(client: MlflowClient, experiment_id: str) -> list[str]:
    """Marks as KILLED the RUNNING runs of this host whose process no longer lives.

    Runs of live processes, of other hosts and of other programs are left alone. A new process with
    the pid of a dead one is recognised by its start time, and a run whose lock is held is alive
    whatever its pid is.

    Args:
        client: A client of the tracking store.
        experiment_id: The experiment to look through.

    Returns:
        The ids of the runs that were marked.
    """
    running = client.search_runs(
        [experiment_id],
        f"attributes.status = 'RUNNING' and tags.`{PREFIX}host` = '{socket.gethostname()}'",
    )
    return [run.info.run_id for run in running if _is_gone(run) and _close(client, run)]


def _close(client: MlflowClient, run: Run) -> bool:
    lock = _lock(run)
    if not lock.exists():
        return _mark(client, run)
    try:
        with FileLock(lock, timeout=0):
            marked = _mark(client, run)
            if marked:
                checkpoints.remove_partial(lock.parent / "checkpoints")
            return marked
    except (Timeout, PermissionError):
        return False


def _mark(client: MlflowClient, run: Run) -> bool:
    run_id = run.info.run_id
    now = client.get_run(run_id)  # it may have ended or been resumed since the search
    if now.info.status != "RUNNING" or not _is_gone(now):
        return False
    process = "process {pid} on {host}".format(**of_run(now))
    client.set_tag(
        run_id, "error", f"The run's {process} ended without recording it (kill -9, power)."
    )
    client.set_terminated(run_id, "KILLED")
    logger.warning("Run %s is marked KILLED: its %s no longer lives.", run_id, process)
    return True


def _is_gone(run: Run) -> bool:
    owner = of_run(run)
    if not {"pid", "process_start", "root"} <= owner.keys() or lives(owner):
        return False
    # A container may share the host's name but not its processes: there only the lock can tell.
    return owner.get("pid_namespace") == _pid_namespace() or _exists(_lock(run))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def _lock(run: Run) -> Path:
    return Path(of_run(run)["root"], run.info.run_id, "lock")


def lives(process: Mapping[str, str]) -> bool:
    """Tells whether a process of this machine, as `process` describes it, still lives."""
    try:
        found = psutil.Process(int(process["pid"]))
        return (
            abs(found.create_time() - float(process["process_start"])) < CLOCK_SECONDS
            and found.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return False


def _refuse_foreign(run: Run) -> None:
    owner = of_run(run)
    if run.info.status != "RUNNING" or "host" not in owner:
        return
    if owner["host"] != socket.gethostname():
        raise OutsideError(
            f"Run {run.info.run_id} is RUNNING in process {owner.get('pid')} on host "
            f"'{owner['host']}', and a run has one process. Stop it there; if that host is gone, "
            f'mark the run ended: python -c "from mlflow import MlflowClient; '
            f"MlflowClient().set_terminated('{run.info.run_id}', 'KILLED')\""
        )
    if "process_start" in owner and int(owner["pid"]) != os.getpid() and lives(owner):
        raise OutsideError(_held(run))


def _held(run: Run) -> str:
    owner = of_run(run)
    pid = owner["pid"] if "process_start" in owner and lives(owner) else None
    return (
        f"Run {run.info.run_id} is held by process {pid or '(unknown)'} of this host, and a run "
        f"has one process. Wait until it ends, or stop it: kill {pid or '<pid>'}"
    )


def _pid_namespace() -> str:
    namespace = Path("/proc/self/ns/pid")
    return str(namespace.readlink()) if namespace.is_symlink() else ""

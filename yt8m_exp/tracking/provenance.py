"""The origin of a run: code, packages, machine, command."""

import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

logger = logging.getLogger(__name__)

PACKAGES = ("tensorflow", "keras", "mlflow", "numpy")
DIFF_CHARACTERS = 1_000_000
UNTRACKED_NAMES = 200
TAG_CHARACTERS = 8000
COMMAND_SECONDS = 20.0


@dataclass(frozen=True)
class Provenance:
    """The origin of a run.

    Attributes:
        tags: Short facts by name; unknown ones are left out.
        diff: The changes of the working tree since the commit: `git diff HEAD`, then the names of
            untracked files. Empty without changes, and without a repository.
    """

    tags: dict[str, str]
    diff: str


def collect(project: Path) -> Provenance:
    """Collects the origin of a run of a project; works without git and outside a repository.

    Args:
        project: The project's folder.
    """
    diff = _diff(project)
    tags = {
        **_git_tags(project, dirty=bool(diff)),
        **_lock_tags(project / "uv.lock"),
        **_version_tags(),
        **_hardware_tags(),
        "command": shlex.join([Path(sys.executable).name, *sys.orig_argv[1:]]),
    }
    return Provenance({key: value[:TAG_CHARACTERS] for key, value in tags.items() if value}, diff)


def _git_tags(project: Path, *, dirty: bool) -> dict[str, str]:
    if not _git(project, "rev-parse", "--git-dir"):
        built = os.environ.get("YT8M_COMMIT", "")  # of an image, which holds no repository
        return {"git.commit": built, "mlflow.source.git.commit": built}
    commit = _git(project, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    branch = _git(project, "symbolic-ref", "--short", "--quiet", "HEAD").strip()
    return {
        "git.commit": commit,
        "git.branch": branch,
        "git.dirty": str(dirty).lower(),
        # Shown by MLflow's pages, which know these names.
        "mlflow.source.git.commit": commit,
        "mlflow.source.git.branch": branch,
    }


def _diff(project: Path) -> str:
    diff = _git(project, "diff", "HEAD", "--no-color", "--no-ext-diff")
    if len(diff) > DIFF_CHARACTERS:
        left_out = len(diff) - DIFF_CHARACTERS
        diff = f"{diff[:DIFF_CHARACTERS]}\n# {left_out} more characters are left out.\n"
    names = _git(project, "ls-files", "--others", "--exclude-standard", "--full-name").splitlines()
    if not names:
        return diff
    more = [f"... and {len(names) - UNTRACKED_NAMES} more"] * (len(names) > UNTRACKED_NAMES)
    listed = "".join(f"#   {name}\n" for name in [*names[:UNTRACKED_NAMES], *more])
    return f"{diff}# Untracked files:\n{listed}"


def _git(project: Path, *arguments: str) -> str:
    # Without optional locks: a run must not disturb a commit that is being made.
    return _output("git", "--no-optional-locks", "-C", str(project), *arguments)


def _lock_tags(lock: Path) -> dict[str, str]:
    if not lock.exists():
        return {}
    return {"lock.digest": hashlib.sha256(lock.read_bytes()).hexdigest()}


def _version_tags() -> dict[str, str]:
    tags = {"version.python": platform.python_version()}
    for package in PACKAGES:
        try:
            tags[f"version.{package}"] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return tags


def _hardware_tags() -> dict[str, str]:
    query = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    gpus = _output("nvidia-smi", *query).strip().splitlines()
    return {
        "hardware.cpu": _cpu_model(),
        "hardware.cores": str(len(os.sched_getaffinity(0))),
        "hardware.memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "hardware.gpus": "; ".join(gpus) or "none",
    }


def _cpu_model() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def _output(*command: str) -> str:
    """Returns what a command prints; empty where the command is missing or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=COMMAND_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("'%s' did not answer: %s", command[0], error)
        return ""
    if done.returncode and "dubious ownership" in done.stderr:
        logger.warning("The run is logged without its git commit: %s", done.stderr.strip())
    return done.stdout if done.returncode == 0 else ""

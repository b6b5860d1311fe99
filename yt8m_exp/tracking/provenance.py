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

from yt8m_exp.terminal.redaction import redact_diff

logger = logging.getLogger(__name__)

READ = (":/*.py", ":/conf", ":/sweeps", ":/*.toml", ":/*.lock")
"""Files that can change what a run does; all other untracked ones are a user's own."""
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
            untracked files that a run may read: code, configurations, studies. Empty without
            changes, and without a repository.
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
        "versions": _versions(),
        "hardware": _hardware(),
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
    diff = redact_diff(_git(project, "diff", "HEAD", "--no-color", "--no-ext-diff"))
    if len(diff) > DIFF_CHARACTERS:
        left_out = len(diff) - DIFF_CHARACTERS
        diff = f"{diff[:DIFF_CHARACTERS]}\n# {left_out} more characters are left out.\n"
    others = ("ls-files", "--others", "--exclude-standard", "--full-name", "--", *READ)
    names = _git(project, *others).splitlines()
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


def _versions() -> str:
    found = [f"python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _hardware() -> str:
    query = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    gpus = _output("nvidia-smi", *query).strip().splitlines()
    cores, memory = len(os.sched_getaffinity(0)), psutil.virtual_memory().total / 2**30
    machine = f"{cores} cores of {_cpu_model()}, {memory:.1f} GiB of memory"
    return "; ".join([machine, *(gpus or ["no GPU"])])


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

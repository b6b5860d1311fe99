"""How much more memory this process may take: of the machine, a container, a limit, a GPU."""

import importlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil
import tensorflow as tf

CGROUPS = Path("/sys/fs/cgroup")
FILES = [
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
]
"""Limit, use, and what of it the kernel can drop; of version 2 and of version 1."""


def free_bytes() -> int | None:
    """Returns how many bytes a step of training may take where it runs; None: not known."""
    gpus = tf.config.list_physical_devices("GPU")
    return _gpu() if gpus else min(_host())


def _host() -> Iterator[int]:
    yield psutil.virtual_memory().available
    process = psutil.Process().memory_info()
    for limit, used in (resource.RLIMIT_DATA, process.data), (resource.RLIMIT_AS, process.vms):
        most = resource.getrlimit(limit)[0]
        if most != resource.RLIM_INFINITY:
            yield max(most - used, 0)
    yield from containers()


def containers(root: Path = CGROUPS, process: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """Yields what is left to each control group that this process is in, if it has a limit.

    Args:
        root: where the groups are mounted.
        process: the file that names those of a process. In a container the names may be those
            outside of it, and its own group is then at the root.
    """
    lines = process.read_text().splitlines() if process.exists() else []
    for _, controllers, name in (line.split(":", 2) for line in lines):
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "memory" if controllers else root
        group = top / name.strip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top):
                yield from _left(folder)


def _left(folder: Path) -> Iterator[int]:
    for limit, used, droppable in FILES:
        try:
            most, now = (folder / limit).read_text().strip(), int((folder / used).read_text())
            pairs = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except OSError:
            continue  # of another version, or the root, which has no limit
        if most != "max":
            yield max(int(most) - now + int(pairs.get(droppable, 0)), 0)


def _gpu() -> int | None:
    """Returns what is free on the fullest GPU of this process."""
    gpus = tf.config.list_physical_devices("GPU")
    limits = [tf.config.get_logical_device_configuration(gpu) for gpu in gpus]
    if all(limits):  # of a trial, see `tuning.child`
        names = [
            device.name.split("device:")[-1] for device in tf.config.list_logical_devices("GPU")
        ]
        used = [tf.config.experimental.get_memory_info(name)["current"] for name in names]
        most = [part.memory_limit << 20 for limit in limits for part in limit]
        return min(limit - now for limit, now in zip(most, used, strict=True))
    try:
        nvml = importlib.import_module("pynvml")  # of the extra `gpu`
    except ImportError:
        return None
    nvml.nvmlInit()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    ids = named.split(",") if named else map(str, range(nvml.nvmlDeviceGetCount()))
    handles = [
        nvml.nvmlDeviceGetHandleByIndex(int(name))
        if name.isdigit()
        else nvml.nvmlDeviceGetHandleByUUID(name)
        for name in ids
    ]
    return min(nvml.nvmlDeviceGetMemoryInfo(handle).free for handle in handles)

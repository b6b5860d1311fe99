"""The device, threads and memory that a slot gives to its trial."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yt8m_exp.spec import InputError

GPUS = Path("/proc/driver/nvidia/gpus")


def slot_environments(
    slots: int | None, devices: Sequence[Any] | None, *, megabytes: int | None = None
) -> list[dict[str, str]]:
    """Returns the environment of each slot's trials.

    Args:
        slots: how many; None takes one for each GPU, or one on a machine without.
        devices: GPUs as CUDA_VISIBLE_DEVICES names them, shared out in turn; an empty list takes
            the processor; None takes all GPUs of this machine that are visible.
        megabytes: the memory of a trial; slots that share a GPU must have it.

    Raises:
        InputError: there is no slot, or slots share a GPU's memory without a limit.
    """
    gpus = [str(device) for device in (visible_gpus() if devices is None else devices)]
    count = slots if slots is not None else max(len(gpus), 1)
    if count < 1:
        raise InputError(f"`slots >= 1` must hold, but got slots={count}.")
    if gpus and count > len(gpus) and not megabytes:
        raise InputError(
            f"{count} slots on {len(gpus)} GPUs share them, and the first would take all of its "
            "GPU's memory. Set what each may have: launcher=local launcher.megabytes=..."
        )
    threads = str(max(len(os.sched_getaffinity(0)) // count, 1))
    limits = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"), threads)
    return [
        {"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)] if gpus else "-1", **limits}
        for slot in range(count)
    ]


def visible_gpus() -> list[str]:
    """Returns the GPUs that a process of this machine may see."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name and name != "-1"]
    return [str(number) for number in range(len(list(GPUS.iterdir())))] if GPUS.is_dir() else []

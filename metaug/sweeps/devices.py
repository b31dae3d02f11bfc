"""What each of several trials that run at once may use of a machine: its GPUs, or its threads."""

import os
from collections.abc import Mapping


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them.

    Args:
        environment: That of the process.
    """
    told = environment.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        names = [name.strip() for name in told.split(",")]
        valid = names[: names.index("-1")] if "-1" in names else names  # as CUDA reads it
        return [name for name in valid if name]
    import torch  # asks the driver, and takes no memory of a GPU

    return [str(index) for index in range(torch.cuda.device_count())]


def shares(parallel: int, gpus: list[str], cores: int | None = None) -> list[dict[str, str]]:
    """Environment variables of each of the trials that run at once.

    GPUs are dealt out, none to two trials; where there are fewer of them than trials, trials share
    them evenly. One trial at a time is left with all.

    Args:
        parallel: Trials at once.
        gpus: Names of the GPUs.
        cores: Cores of the CPU; None asks the system.

    Examples:
        >>> [share["CUDA_VISIBLE_DEVICES"] for share in shares(2, ["0", "1", "4", "5"])]
        ['0,1', '4,5']
    """
    if parallel == 1:
        return [{}]
    threads = max(1, (cores or usable_cores()) // parallel)
    result: list[dict[str, str]] = []
    for slot in range(parallel):
        first, last = slot * len(gpus) // parallel, (slot + 1) * len(gpus) // parallel
        own = gpus[first:last] if len(gpus) >= parallel else gpus[slot % max(len(gpus), 1) :][:1]
        share = {"CUDA_VISIBLE_DEVICES": ",".join(own)} if own else {}
        if "OMP_NUM_THREADS" not in os.environ:
            share["OMP_NUM_THREADS"] = str(threads)
        result.append(share)
    return result


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

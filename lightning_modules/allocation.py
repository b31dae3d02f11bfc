"""Memory of a CPU: what one operation frees is there for the next."""

import ctypes
import os
import platform

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # as glibc's malloc.h numbers them
KEPT = 256 * 2**20
"""Bytes at the end of the heap that are kept; what is free beyond them goes back to the system."""
OWN_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_")


def keep_freed_memory(device: torch.device) -> bool:
    """Let glibc's allocator use large freed blocks again instead of handing them back at once.

    By default a block of more than 32 MiB is mapped anew whenever it is allocated, and the system
    has to clear each of its pages: for a ResNet-18 at 32 pixels and batch 128 that is a fifth of
    the processor time of a step (``benchmarks/step``). It is a setting of the process. The price is
    memory: holes between blocks in use stay with the process.

    Args:
        device: Where the work will be done.

    Returns:
        Whether the setting was made: not for work on another device than the CPU, not with another
        C library than glibc, and not if the environment has a setting of its own
        (``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_MAX_``, ``MALLOC_MMAP_THRESHOLD_``, or
        ``glibc.malloc`` in ``GLIBC_TUNABLES``).
    """
    tuned = "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    if tuned or any(name in os.environ for name in OWN_SETTINGS):
        return False
    if device.type != "cpu" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, KEPT))

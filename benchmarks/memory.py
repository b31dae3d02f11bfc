"""Peak memory: of this process since a start, and of the tensors that torch allocates."""

import resource
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.weak import WeakIdKeyDictionary


class AllocatedMemory(TorchDispatchMode):
    """Peak of the bytes of all tensors made under it, in `peak` (MiB); on any device.

    Scratch memory inside an operation is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.most = 0
        self._known = WeakIdKeyDictionary()

    @property
    def peak(self) -> float:
        """The peak so far, in MiB."""
        return self.most / 2**20

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call, and count storages not seen before."""
        output = func(*args, **(kwargs or {}))
        for each in tree_iter(output):
            if isinstance(each, torch.Tensor) and each.untyped_storage() not in self._known:
                storage = each.untyped_storage()
                self._known[storage] = True
                self.bytes += storage.nbytes()
                weakref.finalize(storage, self._release, storage.nbytes())
        self.most = max(self.most, self.bytes)
        return output

    def _release(self, count: int) -> None:
        self.bytes -= count


class PeakMemory:
    """Peak memory in MiB above what was in use at the start.

    On the CPU the resident size is sampled every two milliseconds; the kernel's own high-water mark
    would include what importing took.

    Args:
        device: Where the work runs.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.peak = 0.0
        self._running = True

    def __enter__(self) -> "PeakMemory":
        """Start."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self.start = torch.cuda.memory_allocated(self.device) / 2**20
        else:
            self.start = resident()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def _watch(self) -> None:
        while self._running:
            self.peak = max(self.peak, resident() - self.start)
            time.sleep(0.002)

    def __exit__(self, *_: object) -> None:
        """Read the peak."""
        if self.device.type == "cuda":
            self.peak = torch.cuda.max_memory_allocated(self.device) / 2**20 - self.start
        else:
            self._running = False
            self._thread.join()


def resident() -> float:
    """Resident size of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20

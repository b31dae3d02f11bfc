"""Peak memory of this process since a mark, on the CPU or a GPU."""

import resource
import threading
import time
from pathlib import Path

import torch


class PeakMemory:
    """Peak memory in MiB above what was in use at the mark.

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
        """Set the mark."""
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

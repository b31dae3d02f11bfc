"""Utilization, memory, clock and power of the GPU four times a second, into a file."""

import threading
import time
from pathlib import Path
from types import TracebackType

COLUMNS = "at,utilization_percent,memory_MiB,sm_MHz,power_W"


class Utilization:
    """Samples within a `with` block; does nothing where there is no GPU or no `pynvml`.

    Args:
        path: A CSV file, appended to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.halted = threading.Event()

    def __enter__(self) -> "Utilization":
        """Begin."""
        threading.Thread(target=self._sample, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        self.halted.set()

    def _sample(self) -> None:
        try:
            import pynvml

            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        except Exception:  # whatever the library raises without a GPU
            return
        with self.path.open("a") as file:
            file.write(COLUMNS + "\n")
            while not self.halted.wait(0.25):
                row = (
                    round(time.time(), 2),
                    pynvml.nvmlDeviceGetUtilizationRates(handle).gpu,
                    pynvml.nvmlDeviceGetMemoryInfo(handle).used >> 20,
                    pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM),
                    pynvml.nvmlDeviceGetPowerUsage(handle) // 1000,
                )
                file.write(",".join(map(str, row)) + "\n")
                file.flush()

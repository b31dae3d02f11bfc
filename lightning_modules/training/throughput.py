"""How many images a run takes in a second."""

import time


class Throughput:
    """Images (instances, each with all its views) per second of all processes together.

    Args:
        window: The rate is that since a mark which is set anew after so many seconds.
    """

    def __init__(self, window: float = 10.0) -> None:
        self.window = window
        self.restart()

    def restart(self) -> None:
        """Set the mark."""
        self.images, self.since = 0, time.perf_counter()

    def add(self, images: int) -> float:
        """Count images and tell the rate."""
        self.images += images
        elapsed = time.perf_counter() - self.since
        rate = self.images / elapsed
        if elapsed > self.window:
            self.restart()
        return rate

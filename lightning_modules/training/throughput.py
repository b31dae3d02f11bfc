"""How many images a run takes in a second."""

from time import perf_counter


class ImagesPerSecond:
    """Instances, each with all its views, per second since it was last read."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Count from here: what came before was no training."""
        self.since, self.images = perf_counter(), 0

    def add(self, images: int) -> None:
        """Count the instances of a step."""
        self.images += images

    def read(self) -> float:
        """The rate; right only where the device was waited for."""
        rate = self.images / max(perf_counter() - self.since, 1e-9)
        self.restart()
        return rate

"""Kornia's brightness, contrast, saturation and Gaussian blur beside ours, on one CPU thread.

    python -m benchmarks.data.kornia             # about half a minute
    python -m benchmarks.data.kornia --rounds 5

Every image has parameters of its own. Both are timed turn by turn; the ratio is that of the medians
(kornia / ours). Two more columns say whether kornia may take our place: whether its result equals
ours bit for bit, and whether an image's result is the same alone, in its batch, and on two threads.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_saturation_with_gray_subtraction,
)
from kornia.filters import gaussian_blur2d
from metaug.datamodules.transforms.color import brightness, contrast, saturation
from metaug.datamodules.transforms.texture import blur
from torch import Tensor

from benchmarks.machine import describe_machine

SHAPES = ((256, 3, 32, 32), (64, 3, 224, 224))
LARGEST_SIGMA = 2.0
Change = Callable[[Tensor, Tensor], Tensor]


def our_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Ours reaches out to 3 sigma of every image."""
    return blur(images, sigma, LARGEST_SIGMA)


def kornia_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Kornia's kernel has one size for all images: here 3 sigma of the largest."""
    size = 2 * int(3 * LARGEST_SIGMA) + 1
    return gaussian_blur2d(images, (size, size), sigma[:, None].expand(-1, 2))


CHANGES: dict[str, tuple[Change, Change]] = {
    "brightness": (brightness, adjust_brightness_accumulative),
    "contrast": (contrast, adjust_contrast_with_mean_subtraction),
    "saturation": (saturation, adjust_saturation_with_gray_subtraction),
    "blur": (our_blur, kornia_blur),
}


def milliseconds(change: Change, images: Tensor, parameter: Tensor) -> float:
    """CPU time of one call."""
    start = time.thread_time()
    change(images, parameter)
    return 1000 * (time.thread_time() - start)


def depends_on_batch(change: Change, images: Tensor, parameter: Tensor) -> bool:
    """Whether an image's result changes with the images beside it, or with the threads."""
    together = change(images, parameter)
    alone = torch.cat([change(images[i : i + 1], parameter[i : i + 1]) for i in range(len(images))])
    torch.set_num_threads(2)
    on_two_threads = change(images, parameter)
    torch.set_num_threads(1)
    return not (torch.equal(together, alone) and torch.equal(together, on_two_threads))


def row(name: str, shape: tuple[int, ...], rounds: int) -> str:
    """Measure one change at one shape."""
    ours, theirs = CHANGES[name]
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(shape, generator=generator)
    parameter = torch.rand(shape[0], generator=generator) * (LARGEST_SIGMA - 0.2) + 0.1
    times = [
        (milliseconds(ours, images, parameter), milliseconds(theirs, images, parameter))
        for _ in range(rounds + 2)
    ][2:]  # two rounds to warm up
    our_time, their_time = (statistics.median(column) for column in zip(*times, strict=True))
    gap = (ours(images, parameter) - theirs(images, parameter)).abs().max().item()
    same = "yes" if gap == 0 else f"no, by up to {gap:.0e}"
    alone = "no" if depends_on_batch(theirs, images, parameter) else "yes"
    return (
        f"| {name} | {list(shape)} | {our_time:.1f} | {their_time:.1f} "
        f"| {their_time / our_time:.2f} | {same} | {alone} |"
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    command = f"python -m benchmarks.data.kornia --rounds {rounds}"
    print(*describe_machine(command), "", sep="\n")
    print("| change | batch | ours, ms | kornia, ms | ratio | equal to ours | same in any batch |")
    print("|---|---|--:|--:|--:|---|---|")
    with torch.no_grad():
        for name in CHANGES:
            for shape in SHAPES:
                print(row(name, shape, rounds), flush=True)


if __name__ == "__main__":
    main()

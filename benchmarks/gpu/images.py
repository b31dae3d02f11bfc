"""The images of the benchmark: one file of tensors, and a data module that reads it.

    python -m benchmarks.gpu.images FILE [--archive ARCHIVE] [--most COUNT]

They come from an archive of image files `{train,test}/<class>/<name>`, else from torchvision's
CIFAR-10 in `data/`, else they are generated.
"""

import argparse
import io
import tarfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from metaug.datamodules import CIFAR10DataModule, InMemorySource, Splits
from PIL import Image
from torch import Tensor
from torchvision.datasets import CIFAR10

from .plan import ROOT

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
Images = dict[str, Tensor]
"""`train` and `test` `[N, 3, 32, 32]` in uint8, `train_target` and `test_target` `[N]`."""


class PreparedImages(CIFAR10DataModule):
    """CIFAR-10 from a file of tensors, so that nothing is downloaded or decoded.

    Args:
        root: The file.
        kwargs: As for `CIFAR10DataModule`.
    """

    def prepare_data(self) -> None:
        """Nothing to download."""

    def load(self) -> Splits:
        """Read the file."""
        images = torch.load(self.root, weights_only=True)
        train, test = (
            InMemorySource(images[split], images[f"{split}_target"], CLASSES)
            for split in ("train", "test")
        )
        return Splits(train=train, val=test, test=test)


def from_archive(archive: Path, most: int | None = None) -> Images:
    """Decode an archive.

    Args:
        archive: A tar file of `{train,test}/<class>/<name>`.
        most: Keep about so many images, evenly spaced over the archive; None for all.
    """
    files: list[tuple[str, bytes]] = []
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None and member.name.endswith((".jpg", ".png")):
                files.append((member.name, content.read()))
    if most:
        files = files[:: max(1, len(files) // most)]
    with ProcessPoolExecutor() as pool:
        pixels = np.stack(list(pool.map(_decode, [content for _, content in files], chunksize=512)))
    folders = [name.split("/")[-3:-1] for name, _ in files]
    images: Images = {}
    for split in ("train", "test"):
        rows = [row for row, (folder, _) in enumerate(folders) if folder == split]
        images[split] = torch.from_numpy(pixels[rows]).permute(0, 3, 1, 2).contiguous()
        images[f"{split}_target"] = torch.tensor([CLASSES.index(folders[row][1]) for row in rows])
    return images


def _decode(content: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(content)).convert("RGB"))


def from_torchvision(root: Path, most: int | None = None) -> Images:
    """Read the CIFAR-10 that torchvision keeps in a folder.

    Args:
        root: The folder.
        most: Keep so many images of each split; None for all.
    """
    images: Images = {}
    for split in ("train", "test"):
        data = CIFAR10(root, train=split == "train", download=False)
        images[split] = torch.from_numpy(data.data[:most]).permute(0, 3, 1, 2).contiguous()
        images[f"{split}_target"] = torch.tensor(data.targets[:most])
    return images


def generated(count: int = 50_000) -> Images:
    """Noise on a color that belongs to the class.

    Args:
        count: Training images; of test images there are a fifth, at least 64.
    """
    generator = torch.Generator().manual_seed(0)
    colors = torch.randint(0, 160, (10, 3, 1, 1), generator=generator)
    images: Images = {}
    for split, size in (("train", count), ("test", max(count // 5, 64))):
        target = torch.arange(size) % len(CLASSES)
        noise = torch.randint(0, 96, (size, 3, 32, 32), generator=generator)
        images[split] = (colors[target] + noise).clamp(0, 255).to(torch.uint8)
        images[f"{split}_target"] = target
    return images


def prepare(file: Path, archive: Path | None = None, most: int | None = None) -> str:
    """Write the file.

    Args:
        file: What is written.
        archive: An archive of images; None or a missing file for the alternatives.
        most: About how many images; None for all.

    Returns:
        Where the images came from.
    """
    if archive is not None and archive.is_file():
        source, images = archive.name, from_archive(archive, most)
    elif (ROOT / "data" / CIFAR10.base_folder).is_dir():
        source, images = "torchvision", from_torchvision(ROOT / "data", most)
    else:
        source, images = "generated", generated(most or 50_000)
    unfinished = file.with_suffix(".part")
    torch.save(images, unfinished)
    unfinished.rename(file)
    return source


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--most", type=int)
    arguments = parser.parse_args()
    source = prepare(arguments.file, arguments.archive, arguments.most)
    print(f"images: {source}", flush=True)


if __name__ == "__main__":
    main()

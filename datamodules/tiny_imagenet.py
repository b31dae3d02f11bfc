"""Tiny ImageNet (Stanford CS231n, 2015)."""

from pathlib import Path
from typing import Any

import torch
from torchvision.datasets.utils import check_integrity, download_and_extract_archive

from .image_folder import ImageFolderDataModule
from .sources.folders import ImageList, list_images, read_class_list
from .sources.splits import Splits


class TinyImageNetDataModule(ImageFolderDataModule):
    """100,000 training and 10,000 validation photos of 64 x 64 pixels in 200 classes.

    The published test images have no labels, so probes are scored on the validation images.

    Args:
        root: Folder that holds `tiny-imagenet-200` or receives the download.
        image_size: Edge of views and evaluation images in pixels.
        kwargs: As for `ImageFolderDataModule`.

    Examples:
        >>> from metaug.datamodules import TinyImageNetDataModule
        >>> data = TinyImageNetDataModule("data", batch_size=256)  # `prepare_data` downloads
        >>> data.folder.name, data.image_size
        ('tiny-imagenet-200', 64)
    """

    url = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
    archive = "tiny-imagenet-200.zip"
    md5 = "90528d7ca1a48142e341f4ef8d21d0de"
    mean = (0.4802, 0.4481, 0.3975)
    std = (0.2770, 0.2691, 0.2821)

    def __init__(self, root: str = "data", *, image_size: int = 64, **kwargs: Any) -> None:
        super().__init__(root, image_size=image_size, **kwargs)

    @property
    def folder(self) -> Path:
        """The unpacked data set."""
        return Path(self.root).expanduser() / "tiny-imagenet-200"

    def prepare_data(self) -> None:
        """Download and unpack the data if they are missing."""
        if (self.folder / "val" / "val_annotations.txt").is_file():
            return
        root = Path(self.root).expanduser()
        held = root / self.archive
        if held.is_file() and not check_integrity(held, self.md5):
            raise OSError(f"{held} is damaged (its MD5 is not {self.md5}). Remove it.")
        try:
            download_and_extract_archive(self.url, str(root), md5=self.md5)
        except (OSError, RuntimeError) as error:
            raise FileNotFoundError(
                f"Tiny ImageNet is not in {root} and the download failed ({error}). Download "
                f"{self.url} where there is internet and put it at {held}; it is checked and "
                "unpacked from there."
            ) from error

    def load(self) -> Splits:
        """List the files; the validation folder's classes are in a text file beside it."""
        if not self.folder.is_dir():
            self.prepare_data()
        only = None if self.class_list is None else read_class_list(self.class_list)
        train = list_images(self.folder / "train", only=only)
        lines = (self.folder / "val" / "val_annotations.txt").read_text().splitlines()
        folder = self.folder / "val" / "images"
        label_of = {name: label for label, name in enumerate(train.class_names)}
        pairs = sorted(line.split("\t")[:2] for line in lines if line.strip())
        if only is not None:
            pairs = [pair for pair in pairs if pair[1] in label_of]
        val = ImageList(
            [folder / name for name, _ in pairs],
            torch.tensor([label_of[wnid] for _, wnid in pairs]),
            train.class_names,
        )
        held_out = self.source(val)
        return Splits(train=self.source(train), val=held_out, test=held_out)

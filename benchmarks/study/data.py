"""The images of the study: the first ones of every class, held in memory."""

from dataclasses import replace
from pathlib import Path

import torch
from metaug.datamodules import ImageFolderDataModule, Splits
from metaug.datamodules.sources.folders import ImageList, list_images


class StudyData(ImageFolderDataModule):
    """The first images of every training class, and all test images.

    Args:
        root: A folder with `train/` and `test/` or `val/`, each with a folder per class.
        images_per_class: How many training images of every class; 0 for all.
        size: Edge of the images in pixels.
        batch_size: Training images per batch.
        seed: Seed of order and views.
    """

    def __init__(
        self, root: str, images_per_class: int, size: int, batch_size: int, seed: int
    ) -> None:
        super().__init__(
            root,
            in_memory=True,
            image_size=size,
            batch_size=batch_size,
            eval_batch_size=256,
            augment_on="device",
            num_workers=0,
            seed=seed,
        )
        self.images_per_class = images_per_class

    def load(self) -> Splits:
        """Decode the images, once for all runs of this process."""
        key = (self.root, self.images_per_class, self.image_size)
        if key not in _LOADED:
            root = Path(self.root).expanduser()
            held_out = next((name for name in ("test", "val") if (root / name).is_dir()), None)
            if not (root / "train").is_dir() or held_out is None:
                raise FileNotFoundError(
                    f"{self.root} must hold train/ and test/ (or val/), each with a folder of "
                    "images per class; give such a folder with --data"
                )
            train = list_images(root / "train")
            listed = list_images(root / held_out, train.class_names)
            test = self.source(listed)
            _LOADED[key] = Splits(
                self.source(first_of_each(train, self.images_per_class)), val=test, test=test
            )
        return _LOADED[key]


_LOADED: dict[tuple[str, int, int], Splits] = {}


def first_of_each(images: ImageList, count: int) -> ImageList:
    """The first `count` images of every class; all of them if `count` is 0."""
    if count == 0:
        return images
    kept = torch.cat(
        [(images.targets == number).nonzero()[:count, 0] for number in images.targets.unique()]
    ).sort()[0]
    paths = [images.paths[number] for number in kept.tolist()]
    return replace(images, paths=paths, targets=images.targets[kept])

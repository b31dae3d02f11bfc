"""ImageNet (ILSVRC 2012) and ImageNet-100, as folders."""

from typing import Any

from .image_folder import ImageFolderDataModule
from .sources.memory import InMemory
from .sources.split_folders import SplitFolders


class ImageNetDataModule(ImageFolderDataModule):
    """1.28 million photos in 1,000 classes: `train/<class>/` and `val/<class>/`.

    ImageNet may not be passed on, so there is no download: see `https://image-net.org`.

    Args:
        root: Folder with `train/` and `val/`.
        in_memory: Decode all images once, resize them to `image_size` and keep them as 8-bit
            values (150 KB each at 224 pixels).
        kwargs: As for `ImageFolderDataModule`.

    Examples:
        >>> from metaug.datamodules import ImageNetDataModule
        >>> data = ImageNetDataModule("data/imagenet", batch_size=256)  # opened by `setup`
        >>> data.image_size, data.num_views
        (224, 2)
    """

    def __init__(self, root: str, *, in_memory: InMemory = False, **kwargs: Any) -> None:
        super().__init__(root, in_memory=in_memory, **kwargs)

    def explain_missing(self) -> str:
        """What to tell a user without the data."""
        return (
            f"The folder {self.root} does not exist. ImageNet cannot be downloaded freely: get "
            "ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from https://image-net.org and "
            f"unpack them to {self.root}/train/<class>/ and {self.root}/val/<class>/ (for example "
            "with torchvision.datasets.ImageNet)."
        )

    def check_folders(self, folders: SplitFolders) -> None:
        """Refuse the validation images as they are published, in one folder.

        Raises:
            FileNotFoundError: Saying how to sort them.
        """
        val = folders.held_out.get("val")
        if val and not any(child.is_dir() for child in val.iterdir()):
            raise FileNotFoundError(
                f"{val} has no class folders. The published archive of the validation images is "
                "flat: sort them into a folder per class (torchvision.datasets.ImageNet does)."
            )


class ImageNet100DataModule(ImageNetDataModule):
    """The 100 classes of ImageNet that CMC chose (Tian et al., ECCV 2020).

    Args:
        root: Folder with `train/` and `val/`, of these classes or of all.
        class_list: Text file with the name of a class folder per line, to choose others.
        kwargs: As for `ImageFolderDataModule`.

    Examples:
        >>> from metaug.datamodules import ImageNet100DataModule
        >>> ImageNet100DataModule("data/imagenet", batch_size=256).class_list
        'imagenet100'
    """

    def __init__(self, root: str, *, class_list: str = "imagenet100", **kwargs: Any) -> None:
        super().__init__(root, class_list=class_list, **kwargs)

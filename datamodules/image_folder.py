"""A user's own folder of images."""

from pathlib import Path
from typing import Any

from .datamodule import MultiViewDataModule
from .sources.decode import printable
from .sources.files import FileSource, OnError
from .sources.folders import ImageList, list_images, read_class_list, warn_of
from .sources.image_source import ImageSource
from .sources.memory import InMemory, hold_files
from .sources.pixels import check_value_range
from .sources.split_folders import SplitFolders, find_splits
from .sources.splits import Splits, complete
from .transforms.ranges import check_choice


class ImageFolderDataModule(MultiViewDataModule):
    """Images of your own, with or without labels.

    The folder may hold `train/` and `val/` or `test/` (or `training`, `validation`, `valid`, `dev`,
    `testing`, in any case), or be the training set itself. In each, sub-folders are classes; images
    directly in it have no label. Labels are used by probes only. What is left out, such as files
    that are no images and hidden folders, is counted and named in a warning.

    Args:
        root: The folder.
        val_fraction: Part of the training images of every class to validate on; null takes 0.1 if
            there are labels but neither `val/` nor `test/`.
        class_list: Text file with the name of a class folder per line; other classes are left out.
            `imagenet100` is the list of that name. Null for all folders.
        in_memory: Decode all images once and keep them. `auto` does so when they all have one size
            and fit 2 GiB; true also resizes them to `image_size`.
        value_range: The values of black and white in images of more than 8 bits; null takes 0 and
            65535 for 16 bits, 0 and 1 for floats, and refuses others. Images of 8 bits stay as
            they are.
        on_error: `raise` stops at an unreadable image and names it; `skip` goes on without it and
            lists them at the end.
        kwargs: As for `MultiViewDataModule`.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from metaug.datamodules import ImageFolderDataModule
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        ...         (Path(root) / name).parent.mkdir(exist_ok=True)
        ...         Image.new("RGB", (20, 16)).save(Path(root) / name)
        ...     data = ImageFolderDataModule(root, image_size=16, batch_size=4, val_fraction=0.0)
        ...     data.setup("fit")
        >>> data.class_names, data.num_instances
        (['cat', 'dog'], 4)
    """

    def __init__(
        self,
        root: str,
        *,
        val_fraction: float | None = None,
        class_list: str | None = None,
        in_memory: InMemory = "auto",
        value_range: tuple[float, float] | None = None,
        on_error: OnError = "raise",
        **kwargs: Any,
    ) -> None:
        if not root:
            raise ValueError("root must be a folder of images, got ''.")
        super().__init__(val_fraction=0.0 if val_fraction is None else val_fraction, **kwargs)
        check_choice(in_memory, "in_memory", [True, False, "auto"])
        check_choice(on_error, "on_error", ["raise", "skip"])
        self.root = root
        self.class_list = class_list
        self.in_memory: InMemory = in_memory
        self.value_range = check_value_range(value_range)
        self.on_error: OnError = on_error
        self._may_hold_out = val_fraction is None

    def load(self) -> Splits:
        """List the files, and decode them where they are to be held in memory."""
        root = Path(self.root).expanduser()
        if root.is_file():
            raise NotADirectoryError(
                f"{printable(root)} is a file. Unpack it to a folder of images."
            )
        if not root.is_dir():
            raise FileNotFoundError(self.explain_missing())
        folders = find_splits(root)
        self.check_folders(folders)
        only = None if self.class_list is None else read_class_list(self.class_list)
        train = list_images(folders.train, only=only)
        held_out = {
            name: list_images(folder, train.class_names, only=only)
            for name, folder in folders.held_out.items()
        }
        left_out = [path for images in (train, *held_out.values()) for path in images.left_out]
        warn_of(folders.left_out + left_out)
        sources = {name: self.source(images) for name, images in held_out.items()}
        return complete(
            self.source(train),
            sources.get("val"),
            sources.get("test"),
            may_hold_out=self._may_hold_out,
            seed=self.seed,
        )

    def check_folders(self, folders: SplitFolders) -> None:
        """Refuse folders that are not laid out as the data set should be; any are taken here.

        Args:
            folders: Those of the splits.
        """

    def explain_missing(self) -> str:
        """What to tell a user whose folder does not exist."""
        return (
            f"The folder {self.root} does not exist. Set data.init_args.root to a folder of images."
        )

    def source(self, images: ImageList) -> ImageSource:
        """Open the files of a split."""
        files = FileSource(
            images.paths,
            images.targets,
            images.class_names,
            channels=self.image_channels,
            value_range=self.value_range,
            on_error=self.on_error,
        )
        return hold_files(files, self.in_memory, self.image_size)

"""A user's own folder of images."""

from pathlib import Path
from typing import Any

from .datamodule import MultiViewDataModule
from .sources.files import FileSource, OnError
from .sources.folders import ImageList, list_images, read_class_list
from .sources.image_source import ImageSource
from .sources.memory import InMemory, hold_files
from .sources.splits import Splits, hold_out

DEFAULT_VAL_FRACTION = 0.1  # where there are labels but nothing to validate on


class ImageFolderDataModule(MultiViewDataModule):
    """Images of your own, with or without labels.

    The folder may hold `train/` and `val/` or `test/`, or be the training set itself. In each,
    sub-folders are classes; images directly in it have no label. Labels are used by probes only.

    Args:
        root: The folder.
        val_fraction: Part of the training images of every class to validate on; null takes 0.1 if
            there are labels but neither `val/` nor `test/`.
        class_list: Text file with the name of a class folder per line; other classes are left out.
            `imagenet100` is the list of that name. Null for all folders.
        in_memory: Decode all images once and keep them as 8-bit values. `auto` does so when they
            all have one size and fit 2 GiB; true also resizes them to `image_size`.
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
        on_error: OnError = "raise",
        **kwargs: Any,
    ) -> None:
        super().__init__(val_fraction=val_fraction or 0.0, **kwargs)
        self.root = root
        self.class_list = class_list
        self.in_memory: InMemory = in_memory
        self.on_error: OnError = on_error
        self._may_hold_out = val_fraction is None

    def load(self) -> Splits:
        """List the files, and decode them where they are to be held in memory."""
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise FileNotFoundError(self.explain_missing())
        only = None if self.class_list is None else read_class_list(self.class_list)
        train_folder = root / "train" if (root / "train").is_dir() else root
        train = list_images(train_folder, only=only)
        held_out = {
            name: self.source(list_images(root / name, train.class_names, only=only))
            for name in ("val", "test")
            if train_folder != root and (root / name).is_dir()
        }
        val, test = held_out.get("val"), held_out.get("test")
        splits = Splits(train=self.source(train), val=val or test, test=test or val)
        if self._may_hold_out and splits.val is None and train.class_names:
            return hold_out(splits, DEFAULT_VAL_FRACTION, seed=self.seed)
        return splits

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
            on_error=self.on_error,
        )
        return hold_files(files, self.in_memory, self.image_size)

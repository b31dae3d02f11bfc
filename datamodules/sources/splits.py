"""The parts of a data set, and holding images out of them for validation."""

from dataclasses import dataclass, replace

from pytorch_lightning.utilities import rank_zero_warn

from .image_source import ImageSource, JoinedSource, SubsetSource
from .label_subsets import split_fraction

DEFAULT_VAL_FRACTION = 0.1  # where there are labels but nothing to validate on


@dataclass(frozen=True)
class Splits:
    """The parts of a data set.

    Attributes:
        train: What is trained on, labeled or not.
        bank: Labeled training images for probes; None takes the labeled ones of `train`.
        val: Labeled images on which probes are scored while training; may be absent.
        test: Labeled images for the last score; may be absent.
        held_out: Whether `val` was held out of the training images.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import InMemorySource, Splits
        >>> images = torch.zeros(10, 3, 8, 8, dtype=torch.uint8)
        >>> splits = Splits(train=InMemorySource(images), val=InMemorySource(images[:2]))
        >>> len(splits.train), len(splits.val), splits.test
        (10, 2, None)
    """

    train: ImageSource
    bank: ImageSource | None = None
    val: ImageSource | None = None
    test: ImageSource | None = None
    held_out: bool = False

    @property
    def label_source(self) -> ImageSource:
        """The training images with labels: those of `bank`, else those of `train`."""
        return self.bank or self.train

    def parts(self) -> list[ImageSource]:
        """What there is of `train`, `bank`, `val` and `test`, each source once."""
        sources = (self.train, self.bank, self.val, self.test)
        return list({id(source): source for source in sources if source is not None}.values())

    def to_predict(self, split: str | None) -> tuple[str, ImageSource]:
        """The images of a split, or of `all`, and what they are called.

        Args:
            split: `train`, `val`, `test`, `all` or None; see `MultiViewDataModule.predict_split`.

        Raises:
            ValueError: If there is no such split.
        """
        if split is None:
            own_val = self.val is not None and not self.held_out
            split = "test" if self.test is not None else "val" if own_val else "all"
        if split != "all":
            source: ImageSource | None = getattr(self, split)
            if source is None:
                raise ValueError(f"predict_split is {split!r}, but the data have no {split} split.")
            return f"split {split}", source
        # parts of one source are that source, so that an index is that of the data set
        wholes = [part.source if isinstance(part, SubsetSource) else part for part in self.parts()]
        distinct = list({id(source): source for source in wholes}.values())
        return "all splits", distinct[0] if len(distinct) == 1 else JoinedSource(distinct)

    def check_channels(self, image_channels: int) -> None:
        """Refuse images in memory that have other channels than the data module says."""
        for source in self.parts():
            if not (source.uniform and len(source)):
                continue
            channels = source.read([0])[0].shape[0]
            if channels != image_channels:
                raise ValueError(
                    f"image_channels is {image_channels}, but the images have {channels} "
                    f"channel(s). Set image_channels to {channels}."
                )

    def unreadable_names(self) -> list[str]:
        """Names of the images that were found unreadable so far."""
        names: dict[str, None] = {}
        for source in self.parts():
            if source.unreadable is not None:
                indices = source.unreadable.nonzero()[:, 0].tolist()
                names |= dict.fromkeys(source.name(index) for index in indices)
        return list(names)


def hold_out(splits: Splits, fraction: float, *, seed: int = 0) -> Splits:
    """Validate on a fraction of every class of the labeled training images.

    What is held out leaves the bank of the probes, so that no image is looked up among copies of
    itself.

    Args:
        splits: The parts; their `val` is replaced.
        fraction: Part of every class to hold out, in (0, 1).
        seed: Seed of the choice.

    Raises:
        ValueError: If no training image has a label.
    """
    source = splits.label_source
    if not (source.targets >= 0).any():
        raise ValueError(
            f"val_fraction={fraction} would hold out training images for probes, but none of them "
            "has a label. Set it to 0."
        )
    kept, held_out = (
        SubsetSource(source, part) for part in split_fraction(source.targets, fraction, seed=seed)
    )
    if not len(held_out):
        raise ValueError(
            f"val_fraction={fraction} holds out none of the training images: no class has enough. "
            "Raise it, add images, or set it to 0 to go without."
        )
    if splits.bank is None:
        return replace(splits, train=kept, val=held_out, held_out=True)
    return replace(splits, bank=kept, val=held_out, held_out=True)


def complete(
    train: ImageSource,
    val: ImageSource | None,
    test: ImageSource | None,
    *,
    may_hold_out: bool,
    seed: int = 0,
) -> Splits:
    """The parts of a user's data, of which some may be missing.

    One of `val` and `test` stands in for the other; but where the training images are labeled,
    test images without labels, as in competitions, do not stand in for validation images.

    Args:
        train: Training images.
        val: Validation images, if there are any.
        test: Test images, if there are any.
        may_hold_out: Whether to validate on a tenth of the labeled training images where there is
            nothing else to.
        seed: Seed of that choice.
    """
    labeled = bool((train.targets >= 0).any())
    usable = test is not None and (not labeled or bool((test.targets >= 0).any()))
    splits = Splits(train=train, val=val or (test if usable else None), test=test or val)
    if may_hold_out and splits.val is None and labeled:
        try:
            return hold_out(splits, DEFAULT_VAL_FRACTION, seed=seed)
        except ValueError as error:  # nobody asked for it
            rank_zero_warn(str(error), stacklevel=2)
    return splits

"""The parts of a data set, and holding images out of them for validation."""

from dataclasses import dataclass, replace

from .image_source import ImageSource, SubsetSource
from .label_subsets import split_fraction


@dataclass(frozen=True)
class Splits:
    """The parts of a data set.

    Attributes:
        train: What is trained on, labeled or not.
        bank: Labeled training images for probes; None takes the labeled ones of `train`.
        val: Labeled images on which probes are scored while training; may be absent.
        test: Labeled images for the last score; may be absent.

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

    @property
    def label_source(self) -> ImageSource:
        """The training images with labels: those of `bank`, else those of `train`."""
        return self.bank or self.train

    def unreadable_names(self) -> list[str]:
        """Names of the images that were found unreadable so far."""
        names: dict[str, None] = {}
        for source in (self.train, self.bank, self.val, self.test):
            if source is not None and source.unreadable is not None:
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
    if splits.bank is None:
        return replace(splits, train=kept, val=held_out)
    return replace(splits, bank=kept, val=held_out)
